// SPDX-License-Identifier: Apache-2.0

package import Platform

/// A verb for each common kind of key. Each has three forms: with a default, `takeOptional…` for a key that may be
/// absent, and without either for one that must be there. Every one throws what is wrong, with its place.
extension Section {
    /// One line of text; `bytes` is its length.
    package func takeString(
        _ key: String, bytes: ClosedRange<Int> = 1...4096, default standard: String
    ) throws(ConfigurationError) -> String {
        try take(key, .string(bytes: bytes), default: standard)
    }

    package func takeString(
        _ key: String, bytes: ClosedRange<Int> = 1...4096
    ) throws(ConfigurationError) -> String {
        try take(key, .string(bytes: bytes))
    }

    package func takeOptionalString(
        _ key: String, bytes: ClosedRange<Int> = 1...4096
    ) throws(ConfigurationError) -> String? {
        try takeOptional(key, .string(bytes: bytes))
    }

    /// A list of lines of text; `bytes` is the length of each.
    package func takeStrings(
        _ key: String, bytes: ClosedRange<Int> = 1...4096, count: ClosedRange<Int> = 0...1000,
        default standard: [String]
    ) throws(ConfigurationError) -> [String] {
        try take(key, .list(of: .string(bytes: bytes), count: count), default: standard)
    }

    /// A name: up to 128 letters, digits and `. _ - / : @`.
    package func takeName(_ key: String) throws(ConfigurationError) -> String {
        try take(key, .name)
    }

    package func takeNames(
        _ key: String, count: ClosedRange<Int> = 0...1000, default standard: [String]
    ) throws(ConfigurationError) -> [String] {
        try take(key, .list(of: .name, count: count), default: standard)
    }

    /// The path of a file, as it is written.
    package func takePath(_ key: String, default standard: String) throws(ConfigurationError) -> String {
        try take(key, .path, default: standard)
    }

    package func takePath(_ key: String) throws(ConfigurationError) -> String {
        try take(key, .path)
    }

    package func takeOptionalPath(_ key: String) throws(ConfigurationError) -> String? {
        try takeOptional(key, .path)
    }

    // MARK: Numbers

    /// A whole number.
    package func takeInt(
        _ key: String, in range: ClosedRange<Int>, default standard: Int
    ) throws(ConfigurationError) -> Int {
        try take(key, .integer(in: range), default: standard)
    }

    package func takeInt(_ key: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int {
        try take(key, .integer(in: range))
    }

    package func takeOptionalInt(_ key: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int? {
        try takeOptional(key, .integer(in: range))
    }

    /// `true` or `false`.
    package func takeBool(_ key: String, default standard: Bool) throws(ConfigurationError) -> Bool {
        try take(key, .boolean, default: standard)
    }

    /// `500ms 30s 5m 24h 30d`.
    package func takeDuration(
        _ key: String, in range: ClosedRange<Duration>, default standard: Duration
    ) throws(ConfigurationError) -> Duration {
        try take(key, .duration(in: range), default: standard)
    }

    /// `512B 64KiB 16MiB 1GiB`, in bytes.
    package func takeSize(
        _ key: String, in range: ClosedRange<Int>, default standard: Int
    ) throws(ConfigurationError) -> Int {
        try take(key, .size(in: range), default: standard)
    }

    /// Dollars as a decimal string, in nano-dollars; `range` as well. Prices are per million model tokens, so that
    /// `"0.15"` is 150 000 000 nano-dollars for a million.
    package func takeMoney(
        _ key: String, in range: ClosedRange<Int64> = 0...1_000_000_000_000_000, default standard: Int64
    ) throws(ConfigurationError) -> Int64 {
        try take(key, .money(in: range), default: standard)
    }

    package func takeOptionalMoney(
        _ key: String, in range: ClosedRange<Int64> = 0...1_000_000_000_000_000
    ) throws(ConfigurationError) -> Int64? {
        try takeOptional(key, .money(in: range))
    }

    // MARK: Choices

    /// One word of the closed list that the type is.
    package func takeEnum<Choice>(
        _ key: String, default standard: Choice
    ) throws(ConfigurationError) -> Choice
    where Choice: RawRepresentable & CaseIterable & Sendable, Choice.RawValue == String {
        try take(key, .choice, default: standard)
    }

    package func takeEnum<Choice>(
        _ key: String, _: Choice.Type = Choice.self
    ) throws(ConfigurationError) -> Choice
    where Choice: RawRepresentable & CaseIterable & Sendable, Choice.RawValue == String {
        try take(key, .choice)
    }

    // MARK: Places

    /// Addresses to listen on: `[::]:8443`, `127.0.0.1:8080`, `:8443`.
    package func takeAddresses(
        _ key: String, count: ClosedRange<Int> = 0...64, default standard: [SocketAddress]
    ) throws(ConfigurationError) -> [SocketAddress] {
        try take(key, .list(of: .address, count: count), default: standard)
    }

    /// The address of an HTTP service, without user, query and fragment.
    package func takeURL(_ key: String, default standard: BaseURL) throws(ConfigurationError) -> BaseURL {
        try take(key, .url, default: standard)
    }

    package func takeURL(_ key: String) throws(ConfigurationError) -> BaseURL {
        try take(key, .url)
    }

    package func takeOptionalURL(_ key: String) throws(ConfigurationError) -> BaseURL? {
        try takeOptional(key, .url)
    }

    /// Names this server answers to.
    package func takeHosts(_ key: String, default standard: [String]) throws(ConfigurationError) -> [String] {
        try take(key, .list(of: .host), default: standard)
    }

    /// Exact origins of browsers.
    package func takeOrigins(_ key: String, default standard: [String]) throws(ConfigurationError) -> [String] {
        try take(key, .list(of: .origin), default: standard)
    }

    // MARK: Secrets

    /// Where a secret is; nil where the file does not say. A value that is not a reference is refused and not shown.
    package func takeSecretReference(_ key: String) throws(ConfigurationError) -> SecretReference? {
        try takeOptional(key, .secret)
    }
}
