// The promises that one proxy can be held to one after the other: what is read, what is refused, what is deleted, and what is
// left when it has ended.

import ClashAPI
import Configuration
import Ground
import HTTPTypes
import Simulator

/// One proxy's life, from the first read to what it leaves on disk.
struct MainProof: Sendable {
    let world: ProofWorld
    let table: ProofTable
    /// What is proved.
    let only: Set<Promise>

    var promised: Config { world.promised }

    func run() async {
        if only.contains(.repeatsAreCached) { await forEachCaller { await proveCache($0, $1) } }
        if only.contains(.scopeHolds) { await forEachCaller { await proveScope($0, $1) } }
        if only.contains(.protectedStays) { await forEachCaller { await proveProtection($0, $1) } }
        if !only.isDisjoint(with: [.deletedIsNeverShown, .deletesAreRecorded, .logVerifies, .noSecretLeaves]) {
            // One after the other: no other's delete may hide what one of them shows.
            for (number, caller) in world.callers.enumerated() { await proveDelete(number, caller) }
        }
        if only.contains(.runsStartOnce) { await proveStarts() }
        if only.contains(.pauseIsAbsorbed) { await provePauses() }
        let secrecy = await SecrecyProof(world: world, table: table).lookedAt()
        await proveDrain()
        if Task.isCancelled { return }
        secrecy.conclude()
        proveLog()
    }

    /// Some at a time.
    private func forEachCaller(_ proof: @escaping @Sendable (Int, ProvenCaller) async -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            for (number, caller) in world.callers.enumerated() {
                if number >= 4 { await group.next() }
                group.addTask { if !Task.isCancelled { await proof(number, caller) } }
            }
        }
    }

    func calls(_ caller: ProvenCaller) -> ProofCalls { world.calls(in: caller.home) }

    func forwarded(_ calls: [ProofCall]) -> [ProofCall] { calls.filter(world.isForwarded) }
}

extension MainProof {
    /// A second read costs no call.
    private func proveCache(_ number: Int, _ caller: ProvenCaller) async {
        func add(_ verdict: Verdict) { table.add(.repeatsAreCached, caller.name, verdict) }
        guard promised.cache.enabled else {
            return add(.notApplicable("cache.enabled = false: every read costs a call of the subscription"))
        }
        guard promised.cache.ttlList > .zero else {
            return add(.notApplicable("cache.ttl_list = \"0s\": every page costs a call of the subscription"))
        }
        guard let call = caller.first(forwarded(calls(caller).cachedReads))?.with("prove=cache-\(number)") else {
            return add(ProvenCaller.mayNotRead)
        }
        let ids = ["prove-cache-\(number)-1", "prove-cache-\(number)-2"]
        let first = await world.send(call, as: caller, id: ids[0])
        let second = await world.send(call, as: caller, id: ids[1])
        let sent = world.arrived(ids[0]).count + world.arrived(ids[1]).count
        let isHit = second.fields[.proofCacheStatus]?.contains("clash-proxy; hit") == true
        guard first.status == 200, second.status == 200 else {
            return add(.fail("\(call.operation) was answered \(first.shown), then \(second.shown)"))
        }
        add(
            isHit && sent == 1 && first.text == second.text
                ? .pass("\(call.operation) twice cost one call")
                : .fail("\(call.operation) twice cost \(sent) calls; the second was \(isHit ? "a hit" : "no hit")"))
    }

    /// What is not granted is refused, and nothing of it is sent.
    private func proveScope(_ number: Int, _ caller: ProvenCaller) async {
        func add(_ verdict: Verdict) { table.add(.scopeHolds, caller.name, verdict) }
        guard !caller.mayDoAll else {
            return add(
                .notApplicable(
                    "allow has every right, operations and itwins are empty: it may do all that the client may"))
        }
        var (refused, admitted, foreign) = (0, 0, 0)
        for call in forwarded(calls(caller).all) {
            let id = "prove-scope-\(number)-\(call.operation)"
            if caller.may(call.operation) {
                guard call.method == .get else { continue }
                let answer = await world.send(call, as: caller, id: id)
                if answer.isOurs || answer.status == 0 {
                    return add(.fail("\(call.operation) is granted and was answered \(answer.shown)"))
                }
                admitted += 1
            } else {
                if let trouble = await expectRefusal(of: call, caller, id) { return add(.fail(trouble)) }
                refused += 1
            }
        }
        if let elsewhere = caller.foreign {
            for call in forwarded(world.calls(in: elsewhere).all) where caller.may(call.operation) {
                let id = "prove-foreign-\(number)-\(call.operation)"
                if let trouble = await expectRefusal(of: call, caller, id) {
                    return add(.fail("in an iTwin that it is not bound to, \(trouble)"))
                }
                foreign += 1
            }
        }
        let beyond = caller.foreign == nil ? "" : ", and \(foreign) of another iTwin"
        add(.pass("\(refused) operations refused\(beyond), \(admitted) reads let through"))
    }

    private func expectRefusal(of call: ProofCall, _ caller: ProvenCaller, _ id: String) async -> String? {
        let answer = await world.send(call, as: caller, id: id)
        if !world.arrived(id).isEmpty { return "\(call.operation) was sent to Bentley" }
        guard answer.status == 403, answer.isOurs else { return "\(call.operation) was answered \(answer.shown)" }
        return nil
    }

    /// What is protected is deleted by nobody, by whatever path.
    private func proveProtection(_ number: Int, _ caller: ProvenCaller) async {
        func add(_ verdict: Verdict) { table.add(.protectedStays, caller.name, verdict) }
        let ids = promised.deletes.protect
        guard !ids.isEmpty else {
            return add(.notApplicable("deletes.protect = []: whoever may delete can delete every object"))
        }
        var tried = 0
        let some = ids.prefix(20).compactMap { AnyID($0) }
        for (place, id) in some.enumerated() {
            let legacy = if case .v1 = id { ids[place] } else { String?.none }
            let named = calls(caller).deletes(named: id.entity.text, inLegacyForm: legacy)
            let inside = world.calls(in: id.entity.text).deletes(of: caller.home)
            for (turn, call) in forwarded(named + inside).enumerated() where caller.may(call.operation) {
                if let trouble = await expectRefusal(of: call, caller, "prove-protect-\(number)-\(place)-\(turn)") {
                    return add(.fail("for \(ids[place]), \(trouble)"))
                }
                tried += 1
            }
        }
        guard tried > 0 else { return add(ProvenCaller.mayNotDelete) }
        let rest = ids.count > some.count ? ", of \(ids.count) ids the first \(some.count)" : ""
        add(.pass("\(tried) deletes refused\(rest)"))
    }
}
