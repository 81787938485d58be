// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import HTTP
import Platform
import TLS

/// A model and the provider behind it.
struct Model: Sendable {
    let settings: ModelSettings
    var provider: Provider

    var name: String { settings.name }

    /// What the encoders must know of it.
    var upstream: UpstreamModel {
        UpstreamModel(
            name: settings.upstream, outputTokensMax: settings.outputTokensMax, reasoning: settings.reasoning,
            schemas: settings.schemas, dialect: provider.settings.dialect, tellsStore: provider.settings.tellsStore)
    }
}

/// A provider, with its key and whom it must prove itself to once it is connected.
struct Provider: Sendable {
    let settings: ProviderSettings
    /// Its key, if it has one.
    private(set) var key: SecretBytes?
    /// Verifies its certificate; `nil` before ``connected()`` and for plain HTTP.
    private(set) var tls: TLSClientContext?

    var name: String { settings.name }
    var kind: ProviderKind { settings.kind }

    init(settings: ProviderSettings) {
        self.settings = settings
    }

    /// The same with its key read.
    ///
    /// - Throws: if the key is named and cannot be had. A provider without its key would answer 401 to every request.
    func connected() throws(StartFailure) -> Provider {
        var provider = self
        if let reference = settings.key {
            do {
                provider.key = try reference.resolve()
            } catch {
                throw StartFailure(
                    "the key of provider \"\(name)\" cannot be had: \(error)",
                    hint: "key = \"\(reference)\" names where it should be")
            }
        }
        guard settings.base?.origin.isSecure == true else { return provider }
        do {
            provider.tls = try TLSClientContext(authoritiesFile: settings.authoritiesFile)
        } catch {
            throw StartFailure("the authorities of provider \"\(name)\" cannot be read: \(error)")
        }
        return provider
    }
}
