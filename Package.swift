// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
//
// This file is the dependency rule of the house: imports run one way, from the top of the list below to its bottom,
// and no module imports another module (ARCHITECTURE.md). `make check` compares it with what the sources import.

import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

/// Per-byte loops live in one target and are called from another: without this they are not specialised (+50 % on
/// byte scanners, measured).
let release: [SwiftSetting] = [.unsafeFlags(["-cross-module-optimization"], .when(configuration: .release))]

/// For what every request passes many times, on one thread. Overlapping accesses to a variable are errors of the
/// compiler where it sees both; what it cannot see (two methods of one object) is checked while the program runs, in
/// every build that is tested, with and without sanitizers, and not once more for each request in delivery.
let hot: [SwiftSetting] = [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]
let hotRooms = ["Crypto", "SQLite", "EventLoop", "TLS", "HTTP", "Core", "Store", "Auth", "Limiter", "Gateway", "Audit"]

/// Addresses of other libraries' functions are found at the start and cannot be written to afterwards (full RELRO, ld(1)):
/// whoever could write anywhere would bend a call by them. By the toolchain's own linker: what stands in its place differs from
/// one Debian to the next, and the one of Debian 13 leaves that out, asked or not.
let hardened: [LinkerSetting] = [
    .unsafeFlags(["-use-ld=lld", "-Xlinker", "-z", "-Xlinker", "relro", "-Xlinker", "-z", "-Xlinker", "now"])
]

/// Targets of one layer below `Sources/Modules`, each with its tests in `Tests/<name>Tests`.
struct Room {
    let name: String
    let needs: [String]
    init(_ name: String, _ needs: String...) {
        self.name = name
        self.needs = needs
    }
}

let ground: [Room] = [
    Room("Platform", "CLinux"),
    Room("Bytes"),
    Room("JSON", "Bytes"),
    Room("TOML", "Bytes"),
    Room("Arguments", "Bytes"),
    Room("Crypto", "COpenSSL", "CLinux", "Platform", "Bytes"),
    Room("SQLite", "CSQLite", "Platform", "Bytes"),
    Room("Log", "CLinux", "Platform", "Bytes"),
]

let network: [Room] = [
    Room("EventLoop", "CLinux", "Platform", "Bytes"),
    Room("TLS", "COpenSSL", "CLinux", "Platform", "Bytes", "Crypto", "EventLoop"),
    Room("HTTP", "CLinux", "Platform", "Bytes", "EventLoop", "TLS"),
]

let core: [Room] = [
    Room("Configuration", "Platform", "Bytes", "TOML"),
    Room("Core", "Platform", "Bytes", "JSON", "Crypto", "SQLite", "Log", "EventLoop", "HTTP", "Configuration"),
]

/// What a module may import. None of them is a module.
let below = [
    "Platform", "Bytes", "JSON", "Arguments", "Crypto", "SQLite", "Log", "EventLoop", "TLS", "HTTP", "Configuration",
    "Core",
]

/// `make fuzz` builds what its properties and `Support` read, and nothing else.
let isFuzzing = Context.environment["FUZZ"] != nil

let modules =
    isFuzzing
    ? ["Store", "Gateway", "Nodes"]
    : ["Store", "Audit", "Auth", "Limiter", "Gateway", "Nodes", "Sandbox", "Admin"]

let rooms = ground + network + core
let everything = below + ["TOML"] + modules

/// `JSONView` holds spans, and its initialiser says whose lifetime they share; the attribute for that is still behind a flag.
let lending: [SwiftSetting] = [.enableExperimentalFeature("Lifetimes")]

func room(_ room: Room) -> Target {
    .target(
        name: room.name, dependencies: room.needs.map { .init(stringLiteral: $0) },
        path: "Sources/Modules/\(room.name)",
        swiftSettings: settings + release + (hotRooms.contains(room.name) ? hot : [])
            + (room.name == "JSON" ? lending : []))
}

func tests(_ name: String, _ dependencies: [String]) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: dependencies.map { .init(stringLiteral: $0) },
        path: "Tests/\(name)Tests", swiftSettings: settings)
}

/// `make fuzz`: each an executable with libFuzzer's `main`. They exist only where the environment has FUZZ, and nothing
/// else with a `main` or with tests does then: the whole package is built for the fuzzer.
let fuzzers = [
    "RequestHead", "ResponseHead", "ChunkedBody", "FieldLines", "Target", "JSON", "JSONEdit", "Schema", "TOML",
    "EventStream", "Answer", "ChatRequest", "Multipart", "ByteRange", "Planted",
]

func fuzzer(_ name: String) -> Target {
    .executableTarget(
        name: "\(name)Fuzz", dependencies: ["FuzzProperties"], path: "Tests/Fuzz/\(name)", swiftSettings: settings)
}

/// Programs that a module's tests start.
let beside = ["Store": ["StoreLoad"], "Limiter": ["LimiterBench"]]

/// What is delivered, and its tests.
let application: [Target] =
    [
        .executableTarget(
            name: "Appliance", dependencies: (everything + ["CLinux"]).map { .init(stringLiteral: $0) },
            path: "Sources/Appliance", swiftSettings: settings + release, linkerSettings: hardened),
        // What a test starts and kills.
        .executableTarget(
            name: "StoreLoad", dependencies: (below + ["Store", "Support"]).map { .init(stringLiteral: $0) },
            path: "Tests/StoreLoad", swiftSettings: settings),
        .executableTarget(
            name: "StoreBench", dependencies: (below + ["Store", "Support"]).map { .init(stringLiteral: $0) },
            path: "Tests/StoreBench", swiftSettings: settings + release),
        .executableTarget(
            name: "LimiterBench", dependencies: (below + ["Limiter", "Support"]).map { .init(stringLiteral: $0) },
            path: "Tests/LimiterBench", swiftSettings: settings + release),
        // What a test lets look through a data directory.
        .executableTarget(
            name: "StoreSweep", dependencies: (below + ["Store", "Support"]).map { .init(stringLiteral: $0) },
            path: "Tests/StoreSweep", swiftSettings: settings),
    ]
    + rooms.map { tests($0.name, [$0.name, "Support"] + $0.needs + ($0.name == "HTTP" ? ["Crypto"] : [])) }
    + modules.map { tests($0, [$0, "Support"] + (beside[$0] ?? []) + below) }
    + [
        tests("Appliance", ["Appliance", "Support"] + everything), tests("Fuzz", ["FuzzProperties", "Support"]),
        tests("Planted", ["Platform", "Support"]),
    ]

/// The filter of boxes, and the calls around them.
let seccomp = Target.systemLibrary(
    name: "CSeccomp", path: "Sources/Modules/CSeccomp", pkgConfig: "libseccomp",
    providers: [.apt(["libseccomp-dev"])])

let package = Package(
    name: "gatehouse",
    products: isFuzzing ? [] : [.executable(name: "gatehouse", targets: ["Appliance"])],
    targets: [
        .systemLibrary(name: "CLinux", path: "Sources/Modules/CLinux"),
        .systemLibrary(
            name: "COpenSSL", path: "Sources/Modules/COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CSQLite", path: "Sources/Modules/CSQLite", pkgConfig: "sqlite3",
            providers: [.apt(["libsqlite3-dev"])]),
    ]
        + (isFuzzing ? [] : [seccomp])
        + rooms.map(room)
        + modules.map { room(Room(needing: below + ($0 == "Sandbox" ? ["CSeccomp", "CLinux"] : []), $0)) }
        + [
            .target(
                name: "FuzzProperties",
                dependencies: (below + ["TOML", "Gateway", "Nodes", "Support"]).map { .init(stringLiteral: $0) },
                path: "Tests/Fuzz/Properties", swiftSettings: settings),
            .target(
                name: "Support", dependencies: (below + ["CLinux", "Store"]).map { .init(stringLiteral: $0) },
                path: "Tests/Support", swiftSettings: settings),
        ]
        + (isFuzzing ? fuzzers.map(fuzzer) : application)
)

extension Room {
    init(needing needs: [String], _ name: String) {
        self.name = name
        self.needs = needs
    }
}
