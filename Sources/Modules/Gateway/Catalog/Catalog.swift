// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import Platform

/// The providers and models of one reading of the configuration. A reload makes a new one; requests under way keep theirs.
struct Catalog: Sendable {
    /// In the order of the file.
    private(set) var models: [Model]
    private(set) var providers: [Provider]
    private let byName: [String: Int]
    /// `prices`: the file with the prices of models that have none of their own.
    private let pricesPath: String?

    /// The model a client names, by its name or one of its aliases; exact, since a provider's own comparison is exact.
    func model(named name: String) -> Model? {
        byName[name].map { models[$0] }
    }

    /// The models to try in turn when one fails. A fallback's own fallbacks are not followed, so the list is as long as the
    /// configuration shows.
    /// Before them come the others of its pool.
    func fallbacks(of model: Model) -> [Model] {
        var names: Set = [model.name]
        let all = pool(of: model) + model.settings.fallback.compactMap(self.model(named:))
        return all.filter { names.insert($0.name).inserted }
    }

    /// The models of equal standing.
    func pool(of model: Model) -> [Model] { model.settings.pool.compactMap(self.model(named:)) }

    /// Wires the tables of a section together, without any effect: keys and certificates are read by ``connected(_:)``.
    init(_ section: Section) throws(ConfigurationError) {
        providers = try Self.providers(section)
        pricesPath = try section.takeOptionalPath("prices")
        models = []
        var byName: [String: Int] = [:]
        let tables = try section.takeSections("model")
        for table in tables {
            let settings = try ModelSettings(table)
            guard let provider = providers.first(where: { $0.name == settings.provider }) else {
                throw table.error(
                    at: "provider", "there is no provider named \"\(settings.provider)\"",
                    hint: "known: \(providers.map(\.name).joined(separator: ", "))")
            }
            for name in [settings.name] + settings.aliases {
                guard byName.updateValue(models.count, forKey: name) == nil else {
                    throw table.error(at: "name", "the name \"\(name)\" is taken by a model above")
                }
            }
            models.append(Model(settings: settings, provider: provider))
        }
        for (table, model) in zip(tables, models) {
            for (index, name) in model.settings.fallback.enumerated() where byName[name] == nil {
                throw table.error(at: "fallback", element: index, "there is no model named \"\(name)\"")
            }
            for (index, name) in model.settings.pool.enumerated() where byName[name] == nil {
                throw table.error(at: "pool", element: index, "there is no model named \"\(name)\"")
            }
        }
        self.byName = byName
    }

    private static func providers(_ section: Section) throws(ConfigurationError) -> [Provider] {
        var providers: [Provider] = []
        for table in try section.takeSections("provider") {
            let provider = Provider(settings: try ProviderSettings(table))
            guard !providers.contains(where: { $0.name == provider.name }) else {
                throw table.error(at: "name", "a provider named \"\(provider.name)\" stands above already")
            }
            providers.append(provider)
        }
        return providers
    }

    /// The same with keys and prices read and trust established. Blocks on files: at start and at a reload.
    func connected(_ secrets: any SecretSource) throws(StartFailure) -> Catalog {
        var catalog = with(try providers.map { provider throws(StartFailure) in try provider.connected(secrets) })
        guard let pricesPath else { return catalog }
        let file = try PriceFile.read(pricesPath)
        catalog.models = catalog.models.map { model in
            Model(settings: model.settings.priced(by: file, kind: model.provider.kind), provider: model.provider)
        }
        return catalog
    }

    /// The same with the breakers and budgets that outlive a reload: a provider that is down stays down.
    func keeping(_ breakers: Breakers, _ retries: Retries) -> Catalog {
        var catalog = with(providers.map { $0.keeping(retries) })
        catalog.models = catalog.models.map { model in
            Model(settings: model.settings, provider: model.provider, breaker: breakers.breaker(for: model))
        }
        return catalog
    }

    /// The same with another key for the providers whose key is a secret of this name.
    func with(key: SecretBytes?, ofSecret name: String) -> Catalog {
        with(providers.map { $0.settings.key == .keyring(name) ? $0.with(key: key) : $0 })
    }

    private func with(_ providers: [Provider]) -> Catalog {
        var catalog = self
        catalog.providers = providers
        catalog.models = models.map { model in
            Model(
                settings: model.settings,
                provider: catalog.providers.first { $0.name == model.provider.name } ?? model.provider,
                breaker: model.breaker)
        }
        return catalog
    }
}
