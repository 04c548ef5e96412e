// One authorised API call as an operation sees it: path parameters, query, headers, body, and the checks that
// several operations share.

/// The two generations of the API.
enum APIVersion: Sendable {
    case v1, v2

    var mediaType: String { "application/vnd.bentley.itwin-platform.\(self == .v1 ? "v1" : "v2")+json" }
}

/// An API call.
struct Call: Sendable {
    let request: RecordedRequest
    let now: Duration
    /// Path parameters by the name in the route.
    let parameters: [String: String]
    /// The raw query, without `?`.
    let rawQuery: String
    let query: FormValues
    /// Base of links of this API version.
    let linkBase: String
    /// The path below the API's prefix, as links name it.
    let linkPath: String

    func header(_ name: String) -> String? { request[header: name] }

    var includesUserMetadata: Bool { header("Include-User-Metadata")?.lowercased() == "true" }

    /// A GUID from the path, or the given refusal.
    func id(_ name: String, or refusal: Refusal) throws(Refusal) -> GUID {
        guard let text = parameters[name], let id = GUID(text) else { throw refusal }
        return id
    }

    /// The JSON object of the body.
    func object(or refusal: (Refusal.Detail) -> Refusal) throws(Refusal) -> JSON {
        guard !request.body.isEmpty else {
            throw refusal(.init(code: "MissingRequestBody", message: "Request body was not provided."))
        }
        guard let json = JSONParser.parse(request.body), case .object = json else {
            throw refusal(.init(code: "InvalidRequestBody", message: "Failed to parse request body."))
        }
        return json
    }

    /// The JSON object of the body, with all of these members present; 422 otherwise.
    func object(requiring names: [String]) throws(Refusal) -> JSON {
        let json = try object { .unprocessable($0) }
        let missing = names.filter { json[$0] == nil }
        guard missing.isEmpty else {
            var refusal = Refusal.unprocessable()
            refusal.details = missing.map { name in
                .init(code: "MissingRequiredProperty", message: "Required property is missing.", target: name)
            }
            throw refusal
        }
        return json
    }

    /// The single id of a `{"jobs":[…],"operation":…}` body. More than one job is refused, as documented.
    func singleJob(operation: String, or refusal: Refusal) throws(Refusal) -> JSON {
        let json = try object { _ in refusal }
        guard json["operation"]?.text == operation, let jobs = json["jobs"]?.elements, jobs.count == 1 else {
            throw refusal
        }
        return jobs[0]
    }
}
