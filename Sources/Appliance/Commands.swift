// SPDX-License-Identifier: Apache-2.0

import Arguments
import Configuration
import Core
import HTTP
import JSON
import Log
import Platform

extension Main {
    static func serve(_ invocation: Invocation) throws(CommandFailure) {
        let file = try ConfigurationFile(invocation)
        try Service.run(reading: { () throws(ConfigurationError) in try file.read() }) { _ in }
    }

    static func develop(_ invocation: Invocation) throws(CommandFailure) {
        guard !invocation.has("print") else { return Terminal.print(developmentConfiguration) }
        let file = ConfigurationFile(orEmbedded: invocation)
        try Service.run(reading: { () throws(ConfigurationError) in try file.read() }) { appliance in
            let key = appliance.composition.roles.developmentKeys?.mintDevelopmentKey()
            Terminal.print(DevelopmentBanner.text(appliance, key: key ?? "(none: [auth] is off)"))
        }
    }

    static func check(_ invocation: Invocation) throws(CommandFailure) {
        let composition = try composition(invocation)
        let modules = composition.modules.map(\.section).joined(separator: ", ")
        Terminal.print("the configuration is right: \(modules); \(composition.routes.routes.count) routes")
    }

    static func routes(_ invocation: Invocation) throws(CommandFailure) {
        try RouteCommands(invocation, composition(invocation)).list()
    }

    private static func composition(_ invocation: Invocation) throws(CommandFailure) -> Composition {
        let file = try ConfigurationFile(invocation)
        do throws(ConfigurationError) {
            return try Composition(try file.read(), log: .disabled)
        } catch {
            throw CommandFailure(error)
        }
    }
}
