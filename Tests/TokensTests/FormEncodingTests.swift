// Forms: round trips, and everything that is refused.

import Testing

@testable import Tokens

@Suite("Encodings")
struct EncodingTests {
    @Test("a form is read back as it was written, whatever is in it")
    func form() {
        let fields = [("a&b", "c=d"), ("e", ""), ("é 😀", "+%\r\n"), ("f", "g?h#i")]
        #expect(FormEncoding.fields(FormEncoding.text(fields)) == Dictionary(uniqueKeysWithValues: fields))
        #expect(FormEncoding.fields("a=1+2&b&&c=%2b") == ["a": "1 2", "b": "", "c": "+"])
    }

    @Test(
        "a form with a field twice, a broken escape, or no text is refused",
        arguments: ["a=1&a=2", "a=1&%61=2", "a=%", "a=%2", "a=%zz", "a=%ff", "%C3=1"])
    func noForm(text: String) {
        #expect(FormEncoding.fields(text) == nil)
    }
}
