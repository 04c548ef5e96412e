// Named threads, the bell they sleep on, and calls on a thread of their own.

import Glibc
import Ground
import Synchronization
import Testing

private final class Name: Sendable {
    let text = Mutex("")
}

@Suite("Threads")
struct ThreadTests {
    @Test("a thread bears its name, as much of it as the kernel keeps, and its end can be awaited by many")
    func named() async throws {
        let name = Name()
        let bell = Doorbell()
        let thread = NamedThread()
        try thread.start("ground-test-of-a-name") {
            bell.wait()
            // What the kernel calls the thread.
            var bytes = [UInt8](repeating: 0, count: 64)
            let file = open("/proc/thread-self/comm", O_RDONLY)
            let count = read(file, &bytes, bytes.count)
            close(file)
            name.text.withLock { $0 = String(decoding: bytes[..<max(count, 0)], as: UTF8.self) }
        }
        await withDiscardingTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    await thread.ended()
                    #expect(name.text.withLock { $0 } == "ground-test-of-\n")
                }
            }
            bell.ring()
        }
        await thread.ended()
        thread.join()
    }

    @Test("whoever lets go of a thread does not end its work")
    func letGo() async throws {
        let (done, end) = AsyncStream<Void>.makeStream()
        let bell = Doorbell()
        try NamedThread().start("letgo") {
            bell.wait()
            end.finish()
        }
        bell.ring()
        for await _ in done {}
    }

    @Test("a ring before the wait is not lost, and each ring ends one wait")
    func rings() {
        let bell = Doorbell()
        bell.ring()
        bell.ring()
        #expect(bell.wait(atMost: .zero) && bell.wait(atMost: .seconds(-1)))
        #expect(!bell.wait(atMost: .zero))
        bell.ring()
        #expect(bell.wait(atMost: .seconds(Int64.max / 2)) && !bell.wait(atMost: .milliseconds(1)))
    }

    @Test("a ring from another thread ends a wait without end, and one that has an end")
    func wakes() async throws {
        let bell = Doorbell()
        let heard = Mutex(0)
        let thread = NamedThread()
        try thread.start("bell") {
            bell.wait()
            heard.withLock { $0 += 1 }
            if bell.wait(atMost: .seconds(600)) { heard.withLock { $0 += 1 } }
        }
        bell.ring()
        bell.ring()
        await thread.ended()
        #expect(heard.withLock { $0 } == 2)
    }

    @Test("a call off the thread runs on another one and returns what it returned, also to a cancelled task")
    func offThread() async {
        let caller = UInt(pthread_self())
        #expect(await OffThread.run { UInt(pthread_self()) } != caller)
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await OffThread.run { 7 }
        }
        #expect(await task.value == 7)
    }
}
