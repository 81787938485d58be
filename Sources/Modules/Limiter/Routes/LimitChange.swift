// SPDX-License-Identifier: Apache-2.0

import Core
import JSON

/// The body with which the operator changes what holds for somebody: `{"limits": [...], "budgets": null}`.
struct LimitChange {
    /// What a member says: texts, or null for what the configuration says. `nil` where it is absent: that stays.
    private enum Wish {
        case standard
        case texts([String])
    }

    private var limits: Wish?
    private var budgets: Wish?

    /// Bodies are a few lines.
    private static let bodyBytesMax = 64 << 10
    private static let textBytesMax = 64

    static let schema: JSONValue = [
        "type": "object", "additionalProperties": false,
        "properties": [
            "limits": ["type": ["array", "null"], "items": ["type": "string"], "maxItems": .int(Rules.countMax)],
            "budgets": ["type": ["array", "null"], "items": ["type": "string"], "maxItems": .int(Rules.countMax)],
        ],
    ]

    init(_ exchange: Exchange) async throws(Failure) {
        let bytes = try await exchange.body(max: Self.bodyBytesMax)
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw Failure(.invalidJSON, "the body is not valid JSON: \(error.message)")
        }
        guard let object = value.object else { throw Failure(.invalidParameter, "the body must be a JSON object") }
        for (name, value) in object.members {
            switch name {
            case "limits": limits = try Self.wish(value, name)
            case "budgets": budgets = try Self.wish(value, name)
            default: throw Failure(.unknownParameter, "unknown parameter", param: String(name.prefix(64)))
            }
        }
    }

    private static func wish(_ value: JSONValue, _ name: String) throws(Failure) -> Wish {
        if value.isNull { return .standard }
        let wrong = Failure(
            .invalidParameter, "must be a list of at most \(Rules.countMax) texts, or null", param: name)
        guard let array = value.array, array.count <= Rules.countMax else { throw wrong }
        var texts: [String] = []
        for element in array {
            guard let text = element.string, text.utf8.count <= textBytesMax else { throw wrong }
            texts.append(text)
        }
        return .texts(texts)
    }

    func apply(to rule: inout LimiterTables.Rule) {
        switch limits {
        case .standard: rule.limits = nil
        case .texts(let texts): rule.limits = texts
        case nil: break
        }
        switch budgets {
        case .standard: rule.budgets = nil
        case .texts(let texts): rule.budgets = texts
        case nil: break
        }
    }
}
