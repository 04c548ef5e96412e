// What befalls the fleet, in the application log.

import Fleet
import Logging

extension EventLog {
    /// One word of the seat's.
    func fleet(_ word: MemberState.Word) {
        switch word {
        case .cut(let why):
            logger.error("cut off from the fleet: calls go by this member's share", metadata: ["why": "\(why)"])
        case .refused(let error):
            logger.error("the fleet does not take this member back", metadata: ["why": "\(error.text)"])
        case .back: logger.notice("back in the fleet")
        case .learning:
            logger.warning("the fleet's engine has forgotten something: all members report, then it goes on")
        case .members(let count): logger.notice("the fleet has changed", metadata: ["members": "\(count)"])
        }
    }
}
