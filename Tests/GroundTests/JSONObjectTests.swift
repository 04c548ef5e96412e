// Small JSON documents, member by member.

import Ground
import Testing

@Suite struct JSONObjectTests {
    @Test("members come in their order, strings escaped, what is nil as null, spans as numbers")
    func members() {
        var inner = JSONObject()
        inner.add("n", 3)
        var object = JSONObject()
        object.add("text", "a\"b\n\u{202E}")
        object.add("none", nil as String?)
        object.add("flag", true)
        object.add("s", seconds: .milliseconds(1_050))
        object.add("whole", seconds: .seconds(2))
        object.add("past", seconds: .milliseconds(-1_500))
        object.add("ms", milliseconds: .microseconds(12_345))
        object.add("inner", inner)
        object.add("list", [inner, inner])
        object.add("texts", ["x", "y"])
        #expect(
            object.text
                == #"{"text":"a\"b\n\u202e","none":null,"flag":true,"s":1.050,"whole":2,"past":-1.500,"ms":12.3,"inner":{"n":3},"list":[{"n":3},{"n":3}],"texts":["x","y"]}"#
        )
        #expect(JSON(Array(object.text.utf8)) != nil)
    }

    @Test(
        "forms are read with their escapes, and what is written is read back",
        arguments: [("a=1&b=x+y%2Fz", "x y/z"), ("b", ""), ("c=2&b=%zz", "%zz"), ("b=%e2%82%ac", "€")])
    func forms(form: String, value: String) {
        #expect(FormText.pairs(form).first { $0.name == "b" }?.value == value)
        #expect(FormText.pairs("b=" + FormText.encoded(value)).first?.value == value)
    }
}
