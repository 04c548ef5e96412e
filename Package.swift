// swift-tools-version: 6.2
import PackageDescription

// The toolchain's stricter defaults; warnings are errors so that none can hide the next one.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

// The commit that `clash-proxy --version` names; scripts/package sets it. Not asked of git here: SwiftPM keeps what a manifest
// said, and an old commit is worse than none.
let told = Context.environment["CLASH_PROXY_COMMIT"] ?? ""
let commit = told.filter { $0.isLetter || $0.isNumber || "+-.".contains($0) }

let package = Package(
    name: "clash-proxy",
    products: [
        .executable(name: "clash-proxy", targets: ["clash-proxy"]),
        // For programs that read or write audit logs, such as the benchmark.
        .library(name: "Audit", targets: ["Audit"]),
        .library(name: "Simulator", targets: ["Simulator"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.1"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-crypto", "3.12.3"..<"5.0.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: [
        // Calls of libc that Swift does not see.
        .systemLibrary(name: "CGround"),
        // What every room stands on.
        .target(name: "Ground", dependencies: ["CGround"], swiftSettings: strict),
        // libcurl's module map and the C shims for its variadic calls.
        .systemLibrary(
            name: "CCurl",
            pkgConfig: "libcurl",
            providers: [.apt(["libcurl4-openssl-dev"])]
        ),
        .target(
            name: "CurlTransport",
            dependencies: ["Ground", "CCurl", "CZlib", .product(name: "HTTPTypes", package: "swift-http-types")],
            swiftSettings: strict + [.strictMemorySafety()]
        ),
        .target(
            name: "ClashAPI",
            dependencies: ["Ground", "CGround", .product(name: "HTTPTypes", package: "swift-http-types")],
            swiftSettings: strict
        ),
        .target(
            name: "Tokens",
            dependencies: ["Ground", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict
        ),
        .target(
            name: "RateLimiting",
            dependencies: [
                "Ground",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "Caching",
            dependencies: [
                "Ground",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: strict
        ),
        // zlib, which libcurl brings along.
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        // Calls of libc that Swift does not see.
        .systemLibrary(name: "CAudit"),
        .target(
            name: "Audit",
            dependencies: ["Ground", "CAudit", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict + [.strictMemorySafety()]
        ),
        // libsqlite3's module map.
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        // Atomic numbers in mapped memory.
        .systemLibrary(name: "CMapped"),
        // What several sidecars share.
        .target(
            name: "Fleet",
            dependencies: [
                "Ground", "CSQLite", "CMapped",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "Configuration",
            dependencies: [
                "Ground", "Audit", "ClashAPI", "RateLimiting", "Tokens",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "TOMLKit", package: "TOMLKit"),
            ],
            swiftSettings: strict
        ),
        // Sockets to requests and back: the only room that writes HTTP on a tool's wire.
        .target(
            name: "Edge",
            dependencies: [
                "Ground",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "Proxy",
            dependencies: [
                "Ground", "Edge", "CurlTransport", "ClashAPI", "Tokens", "Caching", "RateLimiting", "Audit",
                "Fleet", "Configuration",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "_CryptoExtras", package: "swift-crypto"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "Simulator",
            dependencies: [
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "_CryptoExtras", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        // Holds the promises against a configuration: a proxy and the simulator in one process.
        .target(
            name: "Proving",
            dependencies: [
                "Ground", "Proxy", "Configuration", "Simulator", "Audit", "ClashAPI", "CurlTransport", "RateLimiting",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict
        ),
        // Arguments as the kernel gave them.
        .target(name: "CArguments"),
        // The commit that was built.
        .target(name: "CBuild", cSettings: [.define("CLASH_PROXY_COMMIT", to: "\"\(commit)\"")]),
        .executableTarget(
            name: "clash-proxy",
            dependencies: [
                "Ground", "Proxy", "Proving", "Configuration", "Simulator", "Audit", "CArguments", "CBuild",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict
        ),
        // Raw scripted sockets and a hand-moved clock, shared by the test targets.
        .target(name: "TestSupport", dependencies: ["CGround"], path: "Tests/TestSupport", swiftSettings: strict),
        // Certificates of any kind. A target of its own: whoever imports what it stands on sees Glibc through Foundation.
        .target(
            name: "TestCertificates",
            dependencies: [
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
            ],
            path: "Tests/TestCertificates", swiftSettings: strict),
        .testTarget(name: "GroundTests", dependencies: ["Ground", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "CurlTransportTests",
            dependencies: [
                "Ground", "CurlTransport", "TestSupport", .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ClashAPITests",
            dependencies: [
                "Ground", "ClashAPI", "TestSupport", .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "TokensTests",
            dependencies: ["Ground", "Tokens", "TestSupport", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict),
        .testTarget(
            name: "SimulatorTests",
            dependencies: [
                "Simulator",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "RateLimitingTests",
            dependencies: [
                "Ground", "RateLimiting", "TestSupport", .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "CachingTests",
            dependencies: [
                "Ground", "Caching", "TestSupport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "FleetTests",
            dependencies: [
                "Ground", "Fleet", "TestSupport", "TestCertificates",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "AuditTests",
            dependencies: ["Ground", "Audit", "TestSupport", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict),
        .testTarget(
            name: "ConfigurationTests",
            dependencies: ["Ground", "Configuration", "Audit", "ClashAPI", "RateLimiting", "Tokens", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "EdgeTests",
            dependencies: [
                "Edge", "Ground", "TestSupport", "TestCertificates",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ProxyTests",
            dependencies: [
                .product(name: "CoreMetrics", package: "swift-metrics"),
                "Ground", "Edge", "Proxy", "Audit", "Caching", "Configuration", "ClashAPI", "CurlTransport",
                "RateLimiting",
                "Tokens", "TestSupport",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "_CryptoExtras", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "Ground", "Edge", "Proxy", "Proving", "Configuration", "Simulator", "Audit", "ClashAPI", "clash-proxy",
                "TestSupport", "TestCertificates",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
                .product(name: "Logging", package: "swift-log"),
            ],
            // What earlier releases wrote; read by path.
            exclude: ["Fixtures"],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
