// How many event loops there are.

import Testing

@testable import Configuration
@testable import Proxy

@Suite("Usable cores")
struct UsableCoresTests {
    @Test("event loops follow machine, affinity and CPU quota, whichever is least, and are at least one")
    func eventLoops() {
        for (machine, allowed, cpus, expected) in [
            (8, 8, nil, 8), (8, 2, nil, 2), (8, 8, 1.5, 2), (8, 8, 0.1, 1), (2, 8, 7.0, 2), (8, 8, 3.0, 3),
            (0, 0, nil, 1),
        ] as [(Int, Int, Double?, Int)] {
            var limits = ContainerLimits { _ in nil }
            limits.cpus = cpus
            #expect(UsableCores.count(machine: machine, allowed: allowed, limits) == expected)
        }
    }
}
