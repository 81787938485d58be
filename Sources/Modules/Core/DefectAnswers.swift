// SPDX-License-Identifier: Apache-2.0

package import HTTP

/// The answers to requests that never reach a route, because they are malformed, too large or too late: the house's shape,
/// a request id and the security fields, like every other answer.
package enum DefectAnswers {
    /// For `HTTPServer.onDefect`.
    package static let house: DefectResponder = { status, defect, _ in answer(status, defect) }

    /// The same, and the stages hear of what was no request.
    package static func house(telling stages: Stages) -> DefectResponder {
        { status, defect, peer in
            if defect != nil, let peer { stages.note(code(status), from: peer) }
            return answer(status, defect)
        }
    }

    private static func answer(_ status: Status, _ defect: RequestDefect?) -> DefectAnswer {
        var failure = Failure(code(status), defect?.message ?? "the request could not be answered")
        failure.statusOverride = status.code
        let id = RequestID.make()
        var fields: Fields = ["content-type": "application/json", "x-request-id": id]
        fields.append(contentsOf: SecurityHeaders.always)
        fields.append(contentsOf: failure.answerFields())
        return DefectAnswer(fields: fields, body: failure.body(in: .house, requestID: id))
    }

    private static func code(_ status: Status) -> ErrorCode {
        switch status.code {
        case 405: .methodNotAllowed
        case 408: .requestTimeout
        case 413: .payloadTooLarge
        case 414: .targetTooLong
        case 431: .headersTooLarge
        case 503: .overloaded
        case 500: .internal
        default: .invalidParameter
        }
    }
}
