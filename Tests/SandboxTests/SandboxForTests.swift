// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import Log
import Platform
import Support
import Testing

@testable import Sandbox

extension Sandbox {
    /// Starts one, lends it to `body`, and stops it.
    ///
    /// - Parameters:
    ///   - text: the configuration.
    ///   - keeper: the program that is its keeper.
    static func with<Result>(
        _ text: String = "mode = \"development\"\n[sandbox]\n", keeper: String = BuiltProgram.path("gatehouse"),
        layers: BoxLayers = .all, usesGroups: Bool = true, _ body: (Sandbox) throws -> Result
    ) throws -> Result {
        let configuration = try Configuration(text: text, file: "test")
        let sandbox = try Sandbox(
            #require(try configuration.section("sandbox")), settings: try HouseSettings(configuration), keeper: keeper,
            layers: layers, usesGroups: usesGroups, log: .disabled)
        try sandbox.start()
        defer { sandbox.stop(by: .now() + .seconds(3)) }
        return try body(sandbox)
    }
}
