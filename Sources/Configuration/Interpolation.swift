// `${NAME}` inside a string is the environment variable NAME. `$${` stands for a literal `${`; every
// other `$` is itself. What a variable holds is not looked at again, so a secret may hold any text.

enum Interpolation {
    /// `text` with its variables filled in; throws for a variable that is not set.
    static func fill(_ text: String, from environment: [String: String]) throws(ValueProblem) -> String {
        var filled = ""
        var rest = text[...]
        while let mark = rest.firstRange(of: "${") {
            filled += rest[..<mark.lowerBound]
            rest = rest[mark.upperBound...]
            if filled.last == "$" {
                filled.removeLast()
                filled += "${"
                continue
            }
            guard let end = rest.firstIndex(of: "}"), isName(rest[..<end]) else {
                throw ValueProblem(
                    "has a ${ that no variable name and } follow",
                    remedy: "write ${NAME} for an environment variable, $${ for a literal ${")
            }
            let name = String(rest[..<end])
            guard let value = environment[name] else {
                throw ValueProblem(
                    "needs the environment variable \(name), which is not set",
                    remedy: "set \(name), or write the value itself")
            }
            filled += value
            rest = rest[rest.index(after: end)...]
        }
        return filled + rest
    }

    /// The same for a value: a string, or every string of an array.
    static func fill(_ node: TOMLNode, from environment: [String: String]) throws(ValueProblems) -> TOMLNode {
        switch node {
        case .string(let text):
            do throws(ValueProblem) {
                return .string(try fill(text, from: environment))
            } catch {
                throw ValueProblems(all: [error])
            }
        case .array(let elements):
            var problems: [ValueProblem] = []
            var filled: [TOMLNode] = []
            for (index, element) in elements.enumerated() {
                do throws(ValueProblems) {
                    filled.append(try fill(element, from: environment))
                } catch {
                    for var problem in error.all {
                        problem.element = index + 1
                        problems.append(problem)
                    }
                }
            }
            if !problems.isEmpty { throw ValueProblems(all: problems) }
            return .array(filled)
        default:
            return node
        }
    }

    /// The name, if `text` is one reference and nothing else.
    static func reference(_ text: String) -> String? {
        guard text.hasPrefix("${"), text.hasSuffix("}"), isName(text.dropFirst(2).dropLast()) else { return nil }
        return String(text.dropFirst(2).dropLast())
    }

    /// `text` so that `fill` gives it back.
    static func escape(_ text: String) -> String {
        text.replacing("${", with: "$${")
    }

    private static func isName(_ text: some StringProtocol) -> Bool {
        guard let first = text.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return text.utf8.allSatisfy { byte in
            byte == UInt8(ascii: "_") || (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte)
                || (0x61...0x7a).contains(byte)
        }
    }
}
