// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import HTTP
import Platform
import TLS

/// A model and the provider behind it. Never changes; a class, since every call refers to it and its settings are many.
final class Model: Sendable {
    let settings: ModelSettings
    let provider: Provider
    /// What the encoders must know of it.
    let upstream: UpstreamModel
    /// The fields of an answer that name it and its provider, laid out once.
    let answerFields: Fields
    /// Its breaker: that of all models of its name at its provider, once the catalog is in force.
    let breaker: SharedBreaker

    var name: String { settings.name }

    /// Whether others may answer in its place, where the caller may name those.
    var hasAlternatives: Bool { !settings.fallback.isEmpty || !settings.pool.isEmpty }

    init(settings: ModelSettings, provider: Provider, breaker: SharedBreaker = SharedBreaker()) {
        self.settings = settings
        self.provider = provider
        self.breaker = breaker
        upstream = UpstreamModel(
            name: settings.upstream, outputTokensMax: settings.outputTokensMax, reasoning: settings.reasoning,
            schemas: settings.schemas, dialect: provider.settings.dialect, tellsStore: provider.settings.tellsStore)
        var fields = Fields()
        fields.append("x-gatehouse-provider", provider.name)
        fields.append("x-gatehouse-model", settings.name)
        answerFields = fields
    }
}

/// A provider, with its key and whom it must prove itself to once it is connected. Never changes, as `Model`.
final class Provider: Sendable {
    let settings: ProviderSettings
    /// Its key, if it has one; `nil` before ``connected(_:)``.
    let key: SecretBytes?
    /// What stands behind `authorization:`, or `x-api-key:` at Anthropic's kind, where there is a key.
    let credential: SecretBytes?
    /// Whether its key is to come from the keyring and was not set there yet: nothing is sent to it until then.
    var waitsForKey: Bool { key == nil && settings.key != nil }
    /// Verifies its certificate; `nil` before ``connected(_:)`` and for plain HTTP.
    let tls: TLSClientContext?
    /// Where its routes are, in the order of the routes.
    private let targets: [String]
    /// How often it may be asked once more: as all of its name, once the catalog is in force.
    let retries: SharedRetryBudget

    var name: String { settings.name }
    var kind: ProviderKind { settings.kind }

    init(
        settings: ProviderSettings, key: SecretBytes? = nil, tls: TLSClientContext? = nil,
        retries: SharedRetryBudget = SharedRetryBudget()
    ) {
        self.settings = settings
        self.key = key
        credential = settings.kind == .anthropic ? key : key.map { Self.bearer($0) }
        self.tls = tls
        self.retries = retries
        let base = settings.base?.path ?? ""
        targets = ModelRoute.allCases.map { base + $0.path.dropFirst("/v1".count) }
    }

    private static func bearer(_ key: SecretBytes) -> SecretBytes {
        key.withBytes { key in
            var value = Array("Bearer ".utf8)
            value.reserveCapacity(value.count + key.count)
            for index in key.indices { value.append(key[index]) }
            return SecretBytes(taking: &value)
        }
    }

    /// The target of a request for that route.
    func target(of route: ModelRoute) -> String { targets[route.number] }

    /// The same with its key read.
    ///
    /// - Throws: if the key is named and cannot be had. A provider without its key would answer 401 to every request. One
    ///   that is to come from the keyring may be missing, since it is set while the server runs.
    func connected(_ secrets: any SecretSource) throws(StartFailure) -> Provider {
        let key = try readKey(secrets)
        guard settings.base?.origin.isSecure == true else { return Provider(settings: settings, key: key) }
        do {
            let tls = try TLSClientContext(authoritiesFile: settings.authoritiesFile)
            return Provider(settings: settings, key: key, tls: tls)
        } catch {
            throw StartFailure("the authorities of provider \"\(name)\" cannot be read: \(error)")
        }
    }

    /// The same with another key, or without one.
    func with(key: SecretBytes?) -> Provider { Provider(settings: settings, key: key, tls: tls, retries: retries) }

    /// The same with the budget that outlives a reload.
    func keeping(_ retries: Retries) -> Provider {
        Provider(settings: settings, key: key, tls: tls, retries: retries.budget(ofProvider: name))
    }

    private func readKey(_ secrets: any SecretSource) throws(StartFailure) -> SecretBytes? {
        guard let reference = settings.key else { return nil }
        if case .keyring(let name) = reference { return try secrets.secret(named: name) }
        do {
            return try reference.resolve()
        } catch {
            throw StartFailure(
                "the key of provider \"\(name)\" cannot be had: \(error)",
                hint: "key = \"\(reference)\" names where it should be")
        }
    }
}
