// SPDX-License-Identifier: Apache-2.0

import Core
import JSON

/// The body of an operator's request: an object whose members are known.
struct OperatorBody {
    private let object: JSONObject

    /// Bodies are a name and a few numbers.
    private static let bytesMax = 64 << 10

    init(_ exchange: Exchange, known: [String]) async throws(Failure) {
        let bytes = try await exchange.body(max: Self.bytesMax)
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw Failure(.invalidJSON, "the body is not valid JSON: \(error.message)")
        }
        guard let object = value.object else { throw Failure(.invalidParameter, "the body must be a JSON object") }
        for (name, _) in object.members where !known.contains(name) {
            throw Failure(.unknownParameter, "unknown parameter", param: String(name.prefix(64)))
        }
        self.object = object
    }

    /// Whether the member is there, null included.
    func has(_ name: String) -> Bool { object[name] != nil }

    /// `nil` where the member is absent or null.
    func string(_ name: String) throws(Failure) -> String? {
        guard let value = object[name], !value.isNull else { return nil }
        guard let text = value.string else { throw Failure(.invalidParameter, "must be a string", param: name) }
        return text
    }

    /// `nil` where the member is absent or null.
    func array(_ name: String, max countMax: Int) throws(Failure) -> [JSONValue]? {
        guard let value = object[name], !value.isNull else { return nil }
        guard let array = value.array, array.count <= countMax else {
            throw Failure(.invalidParameter, "must be a list of at most \(countMax)", param: name)
        }
        return array
    }

    func int(_ name: String, in range: ClosedRange<Int>) throws(Failure) -> Int? {
        guard let value = object[name], !value.isNull else { return nil }
        guard let number = value.int, range.contains(number) else {
            throw Failure(
                .invalidParameter, "must be a whole number from \(range.lowerBound) to \(range.upperBound)", param: name
            )
        }
        return number
    }

    /// Periods by class, in seconds; `none` for nothing kept, null for nothing said.
    func retention(_ name: String) throws(Failure) -> RetentionRule? {
        guard let value = object[name], !value.isNull else { return nil }
        guard let members = value.object?.members else {
            throw Failure(.invalidParameter, "must be an object", param: name)
        }
        var rule = RetentionRule()
        for (member, period) in members {
            let param = "\(name).\(member.prefix(64))"
            guard let kind = DataClass(rawValue: member) else {
                throw Failure(.unknownParameter, "there is no such class of data", param: param)
            }
            rule[kind] = try Self.period(period, param)
        }
        return rule
    }

    private static func period(_ value: JSONValue, _ param: String) throws(Failure) -> Retention? {
        if value.isNull { return nil }
        if value.string == "none" { return Retention.none }
        guard let seconds = value.int, (0...Retention.secondsMax).contains(seconds) else {
            throw Failure(
                .invalidParameter, "must be seconds from 0 to \(Retention.secondsMax), \"none\" or null", param: param)
        }
        return Retention(seconds: seconds)
    }
}

extension RetentionRule {
    /// What is said, by class, in seconds.
    var json: JSONValue {
        var object = JSONObject()
        for kind in DataClass.allCases { object[kind.rawValue] = self[kind].map { .int($0.seconds) } ?? .null }
        return .object(object)
    }

    /// The schema of the same in a body.
    static let schema: JSONValue = {
        let period: JSONValue = [
            "anyOf": [
                ["type": ["integer", "null"], "minimum": 0, "maximum": .int(Retention.secondsMax)], ["const": "none"],
            ]
        ]
        var properties = JSONObject()
        for kind in DataClass.allCases { properties[kind.rawValue] = period }
        return ["type": "object", "additionalProperties": false, "properties": .object(properties)]
    }()
}
