// SPDX-License-Identifier: Apache-2.0

package import HTTP
package import JSON
import Platform

extension Failure {
    /// The HTTP status in a shape.
    package func status(in shape: ErrorShape) -> Int {
        if let statusOverride { return statusOverride }
        return switch shape {
        case .house: code.status
        case .anthropic: code.anthropicStatus
        }
    }

    /// The body in a shape, all keys always there.
    package func body(in shape: ErrorShape, requestID: String) -> [UInt8] {
        switch shape {
        case .house: houseBody(requestID: requestID)
        case .anthropic: anthropicBody(requestID: requestID)
        }
    }

    /// Fields that go with the answer: when and whether to come back, and what the failure itself brings.
    package func answerFields() -> Fields {
        var answer = fields
        if let wait = retryAfter {
            let milliseconds = max(0, wait.milliseconds)
            // Rounded up: a client that comes back a second early is refused once more.
            answer.append("retry-after", String((milliseconds + 999) / 1000))
            answer.append("retry-after-ms", String(milliseconds))
        }
        if !code.retryCanHelp, code.status >= 429 {
            answer.append("x-should-retry", "false")
        }
        return answer
    }

    private func houseBody(requestID: String) -> [UInt8] {
        var error: JSONObject = [
            "message": .string(message),
            "type": .string(code.type),
            "code": .string(code.rawValue),
            "param": param.map(JSONValue.string) ?? .null,
            "request_id": .string(requestID),
        ]
        if let limit { error["limit"] = limit.json }
        return JSONValue.object(["error": .object(error)]).serialized()
    }

    /// Anthropic's shape has no place for the member that is wrong: it is said in the message, as Anthropic does.
    private func anthropicBody(requestID: String) -> [UInt8] {
        let value: JSONValue = [
            "type": "error",
            "error": [
                "type": .string(code.anthropicType), "message": .string(param.map { "\($0): \(message)" } ?? message),
            ],
            "request_id": .string(requestID),
        ]
        return value.serialized()
    }
}

extension LimitState {
    /// `error.limit` of a 429.
    package var json: JSONValue {
        [
            "name": .string(name),
            "scope": .string(scope),
            "limit": amount(limit),
            "remaining": amount(remaining),
            "resets_at": isFinal ? .null : .string((WallTime.now() + resetAfter).rfc3339),
        ]
    }
}

extension LimitState {
    /// Money is written as dollars, in a decimal string.
    private func amount(_ number: Int) -> JSONValue {
        isMoney ? .string(NanoDollars.text(Int64(number))) : .number(JSONNumber(number))
    }
}

extension Duration {
    /// Whole milliseconds, rounded towards zero.
    package var milliseconds: Int { Int(clampedMilliseconds) }
}
