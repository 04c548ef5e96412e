// The configuration inside docs/kubernetes is one that starts. The manifests themselves: scripts/check-manifests.

import Glibc
import Testing

@testable import Configuration

@Suite struct KubernetesManifestTests {
    private static func manifest(_ name: String) throws -> String {
        let here = try #require(realpath(#filePath, nil))
        defer { free(here) }
        let root = String(cString: here).split(separator: "/").dropLast(3).joined(separator: "/")
        let path = "/\(root)/docs/kubernetes/\(name)"
        return try #require(try ConfigSources.read(config: path, environment: [:], flags: []).file).text
    }

    @Test("the proxy.conf of a team's manifest loads, and nothing in it is ignored")
    func team() throws {
        let lines = try Self.manifest("team.yaml").split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex { $0.hasSuffix("proxy.conf: |") })
        let block = lines[(start + 1)...].prefix { $0.isEmpty || $0.hasPrefix("    ") }.map { $0.dropFirst(4) }
        let hash = String(repeating: "ab", count: 32)
        let loaded = try ConfigLoader.load(
            ConfigSources(
                file: .init(name: "/etc/clash-proxy/proxy.conf", text: block.joined(separator: "\n")),
                environment: [
                    "CLASH_CLIENT_ID": "service-abc", "CLASH_ADMIN_KEY_SHA256": hash,
                    "CLASH_DASHBOARD_KEY_SHA256": String(repeating: "cd", count: 32),
                ]), problem: { _, _ in nil })
        #expect(loaded.refusals.isEmpty)
        #expect(loaded.config.callers.map(\.name) == ["dashboard"])
        #expect(loaded.config.admin.keySHA256?.hex == hash)
    }

    @Test(
        "every variable that the manifests set is a key, or none of ours",
        arguments: ["sidecar.yaml", "team.yaml", "job.yaml"])
    func variables(name: String) throws {
        let words = try Self.manifest(name).split { !($0.isLetter || $0.isNumber || $0 == "_") }
        let known = Set(ConfigKeys.all.map(\.variable))
        for word in words where word.hasPrefix("CLASH_PROXY_") { #expect(known.contains(String(word)), "\(word)") }
    }
}
