// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform

/// A table of prices in the form of LiteLLM's `model_prices_and_context_window.json`: an object of models, each with
/// `input_cost_per_token`, `output_cost_per_token`, and perhaps `cache_read_input_token_cost` and
/// `cache_creation_input_token_cost`, in dollars. Everything else in it is passed over.
struct PriceFile: Sendable {
    /// LiteLLM's own has one and a half megabytes and some 2,500 models.
    static let bytesMax = 16 << 20
    static let entriesMax = 100_000

    private let prices: [String: Price]

    /// Why a file is no table of prices.
    struct Defect: Error, Equatable, Sendable {
        let message: String
    }

    /// Reads a table.
    ///
    /// - Throws: for what is no JSON object of objects, and for a price that is none: a model whose price cannot be read
    ///   must not be taken for one that costs nothing.
    init(_ bytes: [UInt8]) throws(Defect) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw Defect(message: "it is not valid JSON: \(error.message)")
        }
        guard let table = value.object else { throw Defect(message: "it is not a JSON object") }
        guard table.members.count <= Self.entriesMax else { throw Defect(message: "it has too many entries") }
        var prices: [String: Price] = [:]
        for (name, entry) in table.members {
            // `sample_spec` explains the file, in words where numbers would stand.
            guard name != "sample_spec" else { continue }
            guard let entry = entry.object else { throw Defect(message: "\"\(name.prefix(100))\" is not an object") }
            guard let input = try Self.price(entry, "input_cost_per_token", of: name),
                let output = try Self.price(entry, "output_cost_per_token", of: name)
            else { continue }
            prices[name] = Price(
                input: input, output: output,
                cacheRead: try Self.price(entry, "cache_read_input_token_cost", of: name),
                cacheWrite: try Self.price(entry, "cache_creation_input_token_cost", of: name))
        }
        self.prices = prices
    }

    /// The table at a path. Blocks.
    static func read(_ path: String) throws(StartFailure) -> PriceFile {
        do {
            return try PriceFile(AtomicFile.read(path: path, bytesMax: bytesMax))
        } catch let defect as Defect {
            throw StartFailure("the prices at \(path) cannot be used: \(defect.message)", hint: hint)
        } catch {
            throw StartFailure("the prices at \(path) cannot be read: \(error)", hint: hint)
        }
    }

    private static let hint = "[gateway] prices names a file in the form of LiteLLM's model prices"

    /// What a provider's model costs: under the provider's name here, its kind, or the model's name alone.
    func price(of upstream: String, provider: String, kind: String) -> Price? {
        prices["\(provider)/\(upstream)"] ?? prices["\(kind)/\(upstream)"] ?? prices[upstream]
    }

    private static func price(_ entry: JSONObject, _ member: String, of name: String) throws(Defect) -> Int64? {
        guard let value = entry[member], !value.isNull else { return nil }
        guard let number = value.number, let price = nanoDollarsPerMillion(dollarsPerToken: number.text) else {
            throw Defect(message: "\(member) of \"\(name.prefix(100))\" is no price")
        }
        return price
    }

    /// The most that a million tokens can cost here, as in the configuration: a million dollars.
    static let priceMax: Int64 = 1_000_000_000_000_000

    /// Dollars for one token as nano-dollars for a million: times 10^15, rounded up. No floating point on the way: 1.5e-07
    /// is exactly 150,000,000.
    ///
    /// - Parameter text: a number in the grammar of JSON (RFC 8259 §6).
    static func nanoDollarsPerMillion(dollarsPerToken text: String) -> Int64? {
        var (digits, scale, isBehindPoint, hasRest) = (Int64(0), 15, false, false)
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "."): isBehindPoint = true
            case UInt8(ascii: "e"), UInt8(ascii: "E"):
                guard let exponent = Int(Substring(rest)), abs(exponent) < 1_000 else { return nil }
                scale += exponent
                rest = rest.suffix(0)
            case 0x30...0x39:
                if isBehindPoint { scale -= 1 }
                if digits < 100_000_000_000_000_000 {
                    digits = digits * 10 + Int64(byte - 0x30)
                } else {
                    // Beyond eighteen digits only whether there is something left matters, for the rounding.
                    scale += 1
                    hasRest = hasRest || byte != 0x30
                }
            default: return nil
            }
        }
        guard digits > 0 || hasRest else { return 0 }
        while scale > 0 {
            guard digits <= priceMax else { return nil }
            digits *= 10
            scale -= 1
        }
        while scale < 0, digits > 0 {
            hasRest = hasRest || digits % 10 > 0
            digits /= 10
            scale += 1
        }
        let price = digits + (hasRest ? 1 : 0)
        return price <= priceMax ? price : nil
    }
}
