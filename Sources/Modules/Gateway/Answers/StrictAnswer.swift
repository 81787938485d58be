// SPDX-License-Identifier: Apache-2.0

import JSON

/// Checks that an answer fits the strict JSON Schema it was asked for with. The text of each choice is gathered and
/// looked at when the choice ends by itself; one that was cut, withheld or declined, or that calls tools, is no answer in
/// that form and is not looked at.
package struct StrictAnswer: Sendable {
    private struct Choice {
        var text = ""
        var isExempt = false
    }

    private let schema: JSONSchema
    private var choices: [Int: Choice] = [:]
    private var byteCount = 0

    /// nil where the request asks for no strict schema. Refuses a schema that cannot be read or compiled, named as
    /// `param`.
    package init?(_ format: AnswerFormat, param: String = "response_format") throws(Fault) {
        guard case .jsonSchema(let answer) = format, answer.isStrict else { return nil }
        do throws(JSONSchemaError) {
            schema = try JSONSchema(answer.schema)
        } catch {
            throw .invalid(param, "The schema is not one this server can check: \(error.description).")
        }
    }

    /// Takes the next event of the answer; gives a fault instead of the end of a choice that does not fit.
    package mutating func check(_ event: ChatEvent) -> Fault? {
        switch event {
        case .textDelta(let choice, let text):
            byteCount += text.utf8.count
            guard byteCount <= GatewayLimits.answerBytesMax else { return .schemaViolated }
            choices[choice, default: Choice()].text += text
        case .refusalDelta(let choice, _), .toolCallStarted(let choice, _, _, _):
            choices[choice, default: Choice()].isExempt = true
        case .finished(let choice, .stop):
            let answer = choices[choice] ?? Choice()
            guard !answer.isExempt else { return nil }
            guard let value = try? JSONValue(parsing: Array(answer.text.utf8), strictness: .rfc8259),
                schema.validate(value) == nil
            else { return .schemaViolated }
        default: break
        }
        return nil
    }

    /// The fault of a whole answer, if it does not fit.
    package mutating func check(_ events: [ChatEvent]) -> Fault? {
        for event in events {
            if let fault = check(event) { return fault }
        }
        return nil
    }
}
