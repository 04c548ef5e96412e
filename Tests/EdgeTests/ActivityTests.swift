// What is counted of a listener, and who waits for its end.

import NIOEmbedded
import Testing

@testable import Edge

@Suite(.timeLimit(.minutes(2))) struct ActivityTests {
    @Test("connections over the limit are not let in, and one that is closed makes room")
    func limit() {
        let activity = Activity(maxConnections: 2)
        let channels = (0..<3).map { _ in EmbeddedChannel() }
        #expect(channels.map { activity.open($0) } == [true, true, false] && activity.openConnections == 2)
        activity.close(channels[0])
        #expect(activity.open(channels[2]) && !activity.isQuiet)
    }

    @Test("it is quiet when the last connection and the last exchange have ended, whichever is last")
    func quiet() async {
        let activity = Activity(maxConnections: 1)
        #expect(activity.isQuiet)
        await activity.waitUntilQuiet()
        let channel = EmbeddedChannel()
        #expect(activity.open(channel))
        activity.exchangeBegan()
        let wait = Task { await activity.waitUntilQuiet() }
        activity.close(channel)
        #expect(!activity.isQuiet && activity.runningExchanges == 1)
        activity.exchangeEnded()
        await wait.value
        #expect(activity.isQuiet)
    }

    @Test("a wait for quiet ends when its task is cancelled, before or after it began")
    func cancelled() async {
        let activity = Activity(maxConnections: 1)
        activity.exchangeBegan()
        for _ in 0..<100 {
            let wait = Task { await activity.waitUntilQuiet() }
            wait.cancel()
            await wait.value
        }
        #expect(!activity.isQuiet)
    }

    @Test("a wait that is given up ends, and so do later ones until it is waited again")
    func givenUp() async {
        let activity = Activity(maxConnections: 1)
        activity.exchangeBegan()
        let wait = Task { await activity.waitUntilQuiet() }
        activity.giveUpWaiting()
        await wait.value
        await activity.waitUntilQuiet()
        activity.waitAgain()
        let again = Task { await activity.waitUntilQuiet() }
        activity.exchangeEnded()
        await again.value
    }
}
