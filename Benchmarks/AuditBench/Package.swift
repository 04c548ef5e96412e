// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that the proxy's own build knows nothing of it. Run it with Benchmarks/audit.
let package = Package(
    name: "AuditBench",
    dependencies: [.package(name: "clash-proxy", path: "../..")],
    targets: [
        .executableTarget(name: "AuditBench", dependencies: [.product(name: "Audit", package: "clash-proxy")])
    ],
    swiftLanguageModes: [.v6]
)
