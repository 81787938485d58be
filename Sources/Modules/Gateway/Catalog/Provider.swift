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

    var name: String { settings.name }

    init(settings: ModelSettings, provider: Provider) {
        self.settings = settings
        self.provider = provider
        upstream = UpstreamModel(
            name: settings.upstream, outputTokensMax: settings.outputTokensMax, reasoning: settings.reasoning,
            schemas: settings.schemas, dialect: provider.settings.dialect, tellsStore: provider.settings.tellsStore)
    }
}

/// A provider, with its key and whom it must prove itself to once it is connected. Never changes, as `Model`.
final class Provider: Sendable {
    let settings: ProviderSettings
    /// Its key, if it has one; `nil` before ``connected()``.
    let key: SecretBytes?
    /// Verifies its certificate; `nil` before ``connected()`` and for plain HTTP.
    let tls: TLSClientContext?

    var name: String { settings.name }
    var kind: ProviderKind { settings.kind }

    init(settings: ProviderSettings, key: SecretBytes? = nil, tls: TLSClientContext? = nil) {
        self.settings = settings
        self.key = key
        self.tls = tls
    }

    /// The same with its key read.
    ///
    /// - Throws: if the key is named and cannot be had. A provider without its key would answer 401 to every request.
    func connected() throws(StartFailure) -> Provider {
        let key = try readKey()
        guard settings.base?.origin.isSecure == true else { return Provider(settings: settings, key: key) }
        do {
            let tls = try TLSClientContext(authoritiesFile: settings.authoritiesFile)
            return Provider(settings: settings, key: key, tls: tls)
        } catch {
            throw StartFailure("the authorities of provider \"\(name)\" cannot be read: \(error)")
        }
    }

    private func readKey() throws(StartFailure) -> SecretBytes? {
        guard let reference = settings.key else { return nil }
        do {
            return try reference.resolve()
        } catch {
            throw StartFailure(
                "the key of provider \"\(name)\" cannot be had: \(error)",
                hint: "key = \"\(reference)\" names where it should be")
        }
    }
}
