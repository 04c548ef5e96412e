import Testing
@testable import Audit
@Test func x() { #expect(Placeholder.hash([]).count == 32) }
