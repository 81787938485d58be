// SPDX-License-Identifier: Apache-2.0

import Configuration
import HTTP
import Platform

/// One `[[gateway.provider]]`: where it is, how it is paid for, how long it may take.
struct ProviderSettings: Sendable {
    /// `name`: how models refer to it.
    let name: String
    /// `kind`
    let kind: ProviderKind
    /// `base_url`: absent for the built-in model only.
    let base: Base?
    /// `key`: where its key is to be found. Never the key.
    let key: SecretReference?
    /// `ca`: file with the authorities (PEM) its certificate must lead to, instead of the system's.
    let authoritiesFile: String?
    /// `pass`: fields of a request that this provider knows beside those of its kind.
    let pass: Set<String>
    /// `dialect`: which of the two spellings a provider of kind `openai` understands.
    let dialect: UpstreamModel.Dialect
    /// `tell_store`: whether it is told `store: false`; off for servers that refuse the field.
    let tellsStore: Bool
    /// `retries`: how often the same is asked once more where that is safe; 0 for the built-in model.
    let retries: Int
    /// `breaker_failures`, `breaker_calls`, `breaker_pause`, `breaker_latency`
    let breaker: BreakerRules
    /// `connect_timeout`, `first_byte_timeout`, `idle_timeout`, `total_timeout`, `answer_bytes`
    let limits: ClientLimits

    init(_ section: Section) throws(ConfigurationError) {
        name = try section.takeName("name")
        kind = try section.takeEnum("kind")
        base = try Base(section, kind)
        let isOpenAI = kind == .openai && base?.origin.host == "api.openai.com"
        key = try section.takeSecretReference("key")
        authoritiesFile = try section.takeOptionalPath("ca")
        pass = Set(try section.takeStrings("pass", bytes: 1...128, count: 0...256, default: []))
        dialect = try section.takeEnum("dialect", default: isOpenAI ? .openai : .compatible)
        tellsStore = try section.takeBool("tell_store", default: true)
        retries = try section.takeInt("retries", in: 0...5, default: kind == .builtin ? 0 : 2)
        breaker = BreakerRules(
            failurePercent: try section.takeInt("breaker_failures", in: 0...100, default: 50),
            callsMin: try section.takeInt("breaker_calls", in: 1...10_000, default: 20),
            pause: try section.takeDuration(
                "breaker_pause", in: .milliseconds(10) ... .seconds(300), default: .seconds(5)),
            latency: try section.takeDuration("breaker_latency", in: .zero ... .seconds(3600), default: .zero))
        limits = ClientLimits(
            connect: try section.takeDuration("connect_timeout", in: Self.times, default: .seconds(10)),
            firstByte: try section.takeDuration("first_byte_timeout", in: Self.times, default: .seconds(120)),
            idle: try section.takeDuration("idle_timeout", in: Self.times, default: .seconds(60)),
            total: try section.takeDuration("total_timeout", in: Self.times, default: .seconds(600)),
            bodyBytesMax: try section.takeSize(
                "answer_bytes", in: 1024...1 << 30, default: GatewayLimits.answerBytesMax))
    }

    /// A time limit below a millisecond or above a day is a slip of the pen.
    private static let times: ClosedRange<Duration> = .milliseconds(1) ... .seconds(86_400)
}

/// Where a provider's routes lie: `https://api.example.com` and `/v1`.
struct Base: Sendable, Equatable {
    let origin: Origin
    /// Empty, or begins with `/` and does not end with one. Base URLs end in the version, as the SDKs' do.
    let path: String

    /// `nil` for the built-in model, which is nowhere else.
    init?(_ section: Section, _ kind: ProviderKind) throws(ConfigurationError) {
        let standard: (host: String, path: String)
        switch kind {
        case .builtin: return nil
        case .openai: standard = ("https://api.openai.com", "/v1")
        case .anthropic: standard = ("https://api.anthropic.com", "/v1")
        }
        let url = try section.takeOptionalURL("base_url")
        guard let origin = Origin(url?.origin ?? standard.host) else {
            throw section.error(at: "base_url", "this is no address of a provider")
        }
        // Every request refers to it, several times. A reload leaves its some hundred bytes behind.
        Immortal.keep(origin)
        self.origin = origin
        path = url?.path ?? standard.path
    }
}

/// One `[[gateway.model]]`: a name clients use, and what stands behind it.
struct ModelSettings: Sendable {
    /// `name`
    let name: String
    /// `aliases`: further names for the same model.
    let aliases: [String]
    /// `provider`
    let provider: String
    /// `upstream`: the provider's own name for it; the same as `name` if absent.
    let upstream: String
    /// `max_output_tokens`: sent where the provider's protocol demands a figure and the client gave none.
    let outputTokensMax: Int
    /// `image_tokens`, `audio_tokens`, `file_tokens`: what one image, sound or document of a request counts at most.
    let imageTokensMax: Int
    let soundTokensMax: Int
    let documentTokensMax: Int
    /// `reasoning`: how a request for reasoning is put.
    let reasoning: UpstreamModel.ReasoningStyle
    /// `schemas`: how a JSON Schema for the answer is put to Anthropic's API.
    let schemas: UpstreamModel.SchemaStyle
    /// `input_price`, `output_price`, `cache_read_price`, `cache_write_price`; else what the file of prices says.
    private(set) var price: Price?
    /// `fallback`: models to try, in order, when this one fails before its first byte.
    let fallback: [String]
    /// `pool`: models of equal standing, of which any may be asked in its place.
    let pool: [String]
    /// `weight`: its share of the calls where it is one of a pool.
    let weight: Int

    init(_ section: Section) throws(ConfigurationError) {
        name = try section.takeName("name")
        aliases = try section.takeNames("aliases", count: 0...64, default: [])
        provider = try section.takeName("provider")
        upstream = try section.takeOptionalString("upstream", bytes: 1...256) ?? name
        outputTokensMax = try section.takeInt("max_output_tokens", in: 1...10_000_000, default: 4096)
        imageTokensMax = try section.takeInt("image_tokens", in: 0...10_000_000, default: 4096)
        soundTokensMax = try section.takeInt("audio_tokens", in: 0...10_000_000, default: 32_768)
        documentTokensMax = try section.takeInt("file_tokens", in: 0...10_000_000, default: 200_000)
        reasoning = try section.takeEnum("reasoning", default: .effort)
        schemas = try section.takeEnum("schemas", default: .tool)
        price = try Self.price(section)
        fallback = try section.takeNames("fallback", count: 0...8, default: [])
        pool = try section.takeNames("pool", count: 0...8, default: [])
        weight = try section.takeInt("weight", in: 1...1000, default: 1)
    }

    private static func price(_ section: Section) throws(ConfigurationError) -> Price? {
        let input = try section.takeOptionalMoney("input_price")
        let output = try section.takeOptionalMoney("output_price")
        let cacheRead = try section.takeOptionalMoney("cache_read_price")
        let cacheWrite = try section.takeOptionalMoney("cache_write_price")
        switch (input, output) {
        case (let input?, let output?):
            return Price(input: input, output: output, cacheRead: cacheRead, cacheWrite: cacheWrite)
        case (nil, nil):
            guard cacheRead == nil, cacheWrite == nil else {
                throw section.error("prices of a cache say what differs from input_price, which is not there")
            }
            return nil
        default: throw section.error("a model has both prices or neither", hint: "input_price and output_price")
        }
    }

    /// The same with the price of the file, if it has none of its own.
    func priced(by file: PriceFile, kind: ProviderKind) -> ModelSettings {
        guard price == nil else { return self }
        var settings = self
        settings.price = file.price(of: upstream, provider: provider, kind: kind.rawValue)
        return settings
    }
}
