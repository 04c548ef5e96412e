// Which fault, if any, hits the next request. Rules are tried in the order of injection; the first that matches
// and is due wins, and only that one counts down.

extension Fault {
    /// Whether it can be about this request; one of another kind does not use it up.
    fileprivate func concerns(_ request: RecordedRequest) -> Bool {
        switch self {
        case .runAnswerLost, .runStartedTwice:
            let route = Route.find(method: request.method, path: splitTarget(request.target).path)?.route
            return route?.isRun == true
                && !RequestFilter(body: "\"cancel\"").matches(request)
        default: return true
        }
    }
}

/// The planned faults and their countdowns.
struct FaultBook: Sendable {
    private var plans: [PlannedFault]

    init(_ plans: [PlannedFault]) {
        self.plans = plans
    }

    mutating func add(_ plan: PlannedFault) {
        plans.append(plan)
    }

    mutating func clear() {
        plans = []
    }

    /// The fault for this request, spent from its rule.
    mutating func take(for request: RecordedRequest, random: inout SplitMix) -> Fault? {
        for index in plans.indices {
            let plan = plans[index]
            guard plan.times != 0, plan.filter.matches(request), plan.fault.concerns(request) else { continue }
            if plan.skip > 0 {
                plans[index].skip -= 1
                continue
            }
            if plan.probability < 1, Double.random(in: 0..<1, using: &random) >= plan.probability { continue }
            if let times = plan.times { plans[index].times = times - 1 }
            return plan.fault
        }
        return nil
    }
}
