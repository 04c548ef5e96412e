// Room for unsent answers, as the tests beside this one grant it.

@testable import Edge

/// Confined to one thread.
final class CountedRoom: AnswerRoom {
    var free: Int
    var lendable: Int

    init(_ free: Int, lendable: Int = 0) { (self.free, self.lendable) = (free, lendable) }

    func take(_ bytes: Int) -> Bool {
        guard bytes <= free else { return false }
        free -= bytes
        return true
    }

    func giveBack(_ bytes: Int) { free += bytes }

    func lend(_ bytes: Int) -> Bool {
        guard bytes <= lendable else { return false }
        lendable -= bytes
        return true
    }

    func repay(_ bytes: Int) { lendable += bytes }
}
