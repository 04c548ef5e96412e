// The front desk: a request head in, a decision out. Synchronous and pure, on the event loop.
// Who are you, what is this, may you. The order is a security property: nothing is looked up for a stranger.

import ClashAPI
import Configuration
import Edge
import HTTPTypes
import RateLimiting
import Tokens

/// What happens to a request head.
enum FrontDeskDecision {
    case forward(Admission)
    /// Answered here: a browser's preflight.
    case preflight(origin: String, Admission)
    /// Answered here: what methods this proxy serves.
    case options(Admission)
    /// Answered here: a page of this proxy's own.
    case own(OwnPage, Admission)
    /// An error of ours, to whoever was found out by then.
    case refuse(Failure, Admission)
}

/// The rules that need nothing but the head, and the keys of issuers. Usable from every event loop.
struct FrontDesk: Sendable {
    /// Who is believed about where a request comes from.
    let proxies: TrustedProxies
    private let authenticator: CallerAuthenticator
    private let origins: OriginPolicy
    private let allowPrefixes: [String]
    private let maxBodyBytes: Int
    private let passesTokens: Bool
    private let protection: Protection?
    /// What this process calls itself in `Via` upstream.
    private let pseudonym: String
    /// No other desk has it.
    let edition = Edition()

    final class Edition: Sendable {}

    /// - Parameter judge: of the tokens of `config.issuers`.
    init(_ config: Config, pseudonym: String, judge: TokenJudge? = nil) {
        self.pseudonym = pseudonym
        proxies = TrustedProxies(config.listen.trustedProxies)
        authenticator = CallerAuthenticator(
            config.callers, judge: judge, passesTokens: config.token.mode == .passthrough)
        origins = OriginPolicy(config)
        allowPrefixes = config.upstream.allowPrefixes
        maxBodyBytes = config.listen.maxBodyBytes
        passesTokens = config.token.mode == .passthrough
        protection = Protection(config.deletes.protect)
    }

    /// - Parameter identity: what the connection has proved; nil: nothing.
    func decide(_ head: RequestHead, _ identity: PeerIdentity? = nil) -> FrontDeskDecision {
        let route = ClashAPI.match(method: head.method, target: head.target)
        var (origin, caller): (String?, Caller?)
        do throws(Failure) {
            return try admit(head, route, identity, &origin, &caller)
        } catch {
            return .refuse(error, Admission(refused: caller, route: route, corsOrigin: origin))
        }
    }

    private func admit(
        _ head: RequestHead, _ route: RouteMatch, _ identity: PeerIdentity?, _ origin: inout String?,
        _ caller: inout Caller?
    ) throws(Failure) -> FrontDeskDecision {
        if let field = head.fields.first(where: { HeaderTraits.of($0.name).contains(.refused) }) {
            throw .invalid(
                "Overriding the method by header is not allowed: send the request with the method you mean.",
                target: field.name.rawName)
        }
        if head.fields[values: .via].contains(where: { $0.contains(pseudonym) }) {
            throw Failure(
                .loopDetected,
                "The request has been here already: upstream.url, or what stands behind it, leads back to this proxy.")
        }
        if head.isAboutServer {
            _ = try origins.admit(head)
            return .options(Admission(refused: nil, route: route))
        }
        if head.isAbsoluteForm, let authority = head.authority, !origins.isOwn(authority) {
            throw .invalid("The request target names another host: this is not a forward proxy.")
        }
        if let defect = ClashAPI.checkTarget(head.target) { throw .invalid(defect.sentence) }
        origin = try origins.admit(head)
        if let origin, head.method == .options, head.fields[.accessControlRequestMethod] != nil {
            return .preflight(origin: origin, Admission(refused: nil, route: route))
        }
        let authenticated = try authenticator.authenticate(head.fields, identity)
        caller = authenticated.caller
        if let page = try OwnPage(head, route) {
            return .own(page, admission(of: authenticated, route, origin, nil))
        }
        guard ClashAPI.isAllowed(head.target, prefixes: allowPrefixes) else {
            throw Failure(
                .operationNotFound,
                "No operation of the clash-detection API has this path; "
                    + "this proxy forwards only \(allowPrefixes.joined(separator: " and ")).")
        }
        if let length = head.framing.declaredLength, length > maxBodyBytes {
            throw .bodyTooLarge(limit: maxBodyBytes)
        }
        let denial = try denial(of: head, route, to: authenticated.caller)
        if passesTokens, authenticated.keyStandsInForToken {
            throw Failure(
                .tokenMissing,
                "This proxy passes the tool's own token on: send it as 'Authorization: Bearer TOKEN', "
                    + "and the caller key as 'X-Api-Key: KEY'.", target: "Authorization")
        }
        return .forward(admission(of: authenticated, route, origin, denial))
    }

    /// Why a call is refused for what its head says; throws that where nothing has to be recorded. The refusal of a call
    /// that its body could make a recorded one may be, which the flow does.
    private func denial(
        of head: RequestHead, _ route: RouteMatch, to caller: Caller
    ) throws(Failure) -> Failure? {
        let isSettled = route.operationClass != .delete && !route.bodyDecides
        if isSettled { try Self.authorize(caller, route.operationClass) }
        guard let bounds = caller.bounds,
            let failure = bounds.refusal(of: route, by: caller.name, bodyFollows: head.framing != .none)
        else { return nil }
        if isSettled { throw failure }
        return failure
    }

    /// What is known of a caller's call.
    private func admission(
        of authenticated: Authenticated, _ route: RouteMatch, _ origin: String?, _ denial: Failure?
    ) -> Admission {
        let protection = route.bodyDecides || route.operationClass == .delete ? protection : nil
        guard passesTokens else {
            return Admission(
                caller: authenticated.caller, route: route, partition: Admission.ownPartition, authorization: nil,
                corsOrigin: origin, denial: denial, standing: authenticated.standing, protection: protection)
        }
        let authorization = authenticated.token
        // What is no bearer token goes upstream, which says so, and is not known well enough to store answers for.
        let token = authorization.flatMap { PassedToken(authorization: $0.value) }
        var caller = authenticated.caller
        if authenticator.isOpen, let token { caller = caller.named(token.callerName) }
        return Admission(
            caller: caller, route: route, partition: token?.partition, authorization: authorization,
            token: token.map { GateRequest.Token(id: $0.partition, client: $0.gateKey) },
            isFairByAddress: authenticator.isOpen, corsOrigin: origin, denial: denial, protection: protection)
    }

    /// Whether the caller has none of the rights that the request could need, whatever its body says.
    static func hasNoRight(_ caller: Caller, _ route: RouteMatch) -> Bool {
        route.possibleClasses.allSatisfy { !caller.allow.contains(Permission($0)) }
    }

    /// Throws 403 when the caller's rights do not include the class of the operation.
    static func authorize(_ caller: Caller, _ operationClass: OperationClass) throws(Failure) {
        guard !caller.allow.contains(Permission(operationClass)) else { return }
        throw Failure(
            .permissionDenied,
            "The caller '\(caller.name)' may not \(operationClass.rawValue); "
                + "it has: \(caller.allow.map(\.rawValue).sorted().joined(separator: ", ")).")
    }
}

extension TargetDefect {
    /// What is wrong with the target, for the tool.
    var sentence: String {
        switch self {
        case .notOriginForm: "The request target must begin with a slash."
        case .dotSegment: "The path has a '.' or '..' segment; send the path it stands for."
        case .encodedSlash: "The path has an encoded slash (%2F), which could be read in two ways."
        case .backslash: "The path has a backslash, which could be read in two ways."
        case .controlByte: "The request target has a space or a control character."
        case .nonASCII: "The request target has bytes beyond ASCII; percent-encode them."
        case .badEscape: "The path has a '%' that is not followed by two hexadecimal digits, or a malformed escape."
        case .fragment: "The request target has a fragment (#), which is never sent."
        }
    }
}

extension Permission {
    init(_ operationClass: OperationClass) {
        switch operationClass {
        case .read: self = .read
        case .write: self = .write
        case .run: self = .run
        case .delete: self = .delete
        }
    }
}
