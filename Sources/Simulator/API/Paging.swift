// Offset paging without a snapshot, as the API does it: rows that come or go between two pages shift all later ones.
// v2 tokens are the base64 of a page number, v1 tokens the base64 of a small JSON object around such a token.

/// One page of a list, chosen by the call's query.
struct Page: Sendable {
    let number: Int
    let size: Int

    /// Reads `$top` and `$continuationToken` of a v2 list.
    init(v2 call: Call, default standard: Int, max: Int, or refusal: Refusal) throws(Refusal) {
        size = try Page.size(call, default: standard, max: max, or: refusal)
        guard let given = call.query["$continuationToken"].map(Page.number) ?? 1 else { throw refusal }
        number = given
    }

    /// Reads `$top` and `continuationToken` of a v1 list. Without `$top` the token's own size holds on.
    init(v1 call: Call, default standard: Int, max: Int) throws(Refusal) {
        let refusal = Refusal.unprocessable(
            .init(code: "InvalidValue", message: "Value is not valid.", target: "$top or continuationToken"))
        guard let token = call.query["continuationToken"] else {
            self = Page(number: 1, size: try Page.size(call, default: standard, max: max, or: refusal))
            return
        }
        guard let bytes = Base64.decode(token, alphabet: .standard), let json = JSONParser.parse(bytes),
            case .number(let top) = json["top"], let size = Int(top), let inner = json["skipToken"]?.text,
            let number = Page.number(inner)
        else { throw refusal }
        self = Page(number: number, size: try Page.size(call, default: size, max: max, or: refusal))
    }

    private init(number: Int, size: Int) {
        self.number = number
        self.size = size
    }

    private static func size(
        _ call: Call, default standard: Int, max: Int, or refusal: Refusal
    ) throws(Refusal) -> Int {
        guard let text = call.query["$top"] else { return standard }
        guard let top = Int(text), (1...max).contains(top) else { throw refusal }
        return top
    }

    private static func number(_ token: String) -> Int? {
        guard let bytes = Base64.decode(token, alphabet: .standard) else { return nil }
        // The bound keeps `number * size` from overflowing on a made-up token.
        guard let number = Int(String(decoding: bytes, as: UTF8.self)), (1...1_000_000_000).contains(number) else {
            return nil
        }
        return number
    }

    private static func token(_ number: Int) -> String { Base64.encode(String(number).utf8, alphabet: .standard) }

    /// The page's part of the rows.
    func rows<Rows: RandomAccessCollection>(of rows: Rows) -> Rows.SubSequence {
        rows.dropFirst((number - 1) * size).prefix(size)
    }

    /// `_links` of a v2 page: absolute, unescaped `$` and `=`, null where there is no page.
    func links(of total: Int, _ call: Call) -> JSON {
        let others = call.rawQuery.split(separator: "&").filter { pair in
            let name = FormValues(pair).pairs.first?.name
            return name != "$top" && name != "$continuationToken"
        }
        let base = call.linkBase + call.linkPath
        func link(_ parts: [String]) -> JSON {
            let query = (parts + others.map(String.init)).joined(separator: "&")
            return ["href": .string(query.isEmpty ? base : "\(base)?\(query)")]
        }
        func page(_ number: Int) -> JSON { link(["$top=\(size)", "$continuationToken=\(Page.token(number))"]) }
        let isDefault = number == 1 && call.query["$top"] == nil
        return [
            "self": isDefault ? link([]) : number == 1 ? link(["$top=\(size)"]) : page(number),
            "next": number * size < total ? page(number + 1) : .null,
            "prev": number > 1 ? page(number - 1) : .null,
        ]
    }

    /// `_links` of a v1 page: only `next`.
    func legacyLinks(of total: Int, _ call: Call) -> JSON {
        guard number * size < total else { return ["next": .null] }
        let others = call.rawQuery.split(separator: "&").filter { pair in
            let name = FormValues(pair).pairs.first?.name
            return name != "$top" && name != "continuationToken"
        }
        let inner: JSON = ["top": .int(size), "skipToken": .string(Page.token(number + 1))]
        let token = Base64.encode(inner.bytes, alphabet: .standard)
        let query = (others.map(String.init) + ["continuationToken=\(token)"]).joined(separator: "&")
        return ["next": ["href": .string("\(call.linkBase)\(call.linkPath)?\(query)")]]
    }
}
