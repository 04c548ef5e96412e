// Finds one row of a list page by its id, as the bytes that stand there.

/// Rows of list answers: objects in an array that is a member of the page's object.
package enum ListRow {
    /// The bytes of the row whose `id` is `id`, or nil when the page does not hold it or is not JSON.
    ///
    /// - Parameters:
    ///   - id: compared exactly.
    ///   - page: a whole page.
    package static func find(_ id: String, in page: [UInt8]) -> [UInt8]? {
        var scanner = JSONScanner()
        let bytes = page.span
        let wanted = Array(id.utf8)
        var offset = 0
        var rowStart = 0
        var isRow = false
        var nextIsID = false
        while true {
            let event = scanner.next(in: bytes, at: &offset)
            switch event {
            case .needsInput, .invalid: return nil
            case .objectStart where scanner.depth == rowDepth:
                rowStart = offset - 1
                isRow = false
            case .key(let text) where scanner.depth == rowDepth:
                nextIsID = page[text.range].elementsEqual("id".utf8)
                continue
            case .string(let text) where scanner.depth == rowDepth && nextIsID:
                isRow = page[text.range].elementsEqual(wanted)
            case .objectEnd where scanner.depth == rowDepth - 1 && isRow:
                return Array(page[rowStart..<offset])
            default: break
            }
            nextIsID = false
        }
    }

    /// Page, array, row.
    private static let rowDepth = 3
}
