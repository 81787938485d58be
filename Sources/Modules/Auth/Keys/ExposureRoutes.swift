// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core
import Crypto
import HTTP
import JSON

/// Where whoever finds a key in public says so, in the form that GitHub's secret scanning sends to its partners: a list of
/// tokens, answered with whether each was one. Other scanners (gitleaks, trufflehog, a search of one's own) can send it with a
/// line of shell.
///
/// Signatures are not asked for: a key has 256 random bits, so whoever names one has it, and could call with it instead.
/// https://docs.github.com/en/code-security/secret-scanning/secret-scanning-partnership-program
struct ExposureRoutes: Sendable {
    let exposures: @Sendable () throws(Failure) -> Exposures

    private static let bodyBytesMax = 64 << 10

    var all: [Route] {
        [
            Route(
                .post, "/v1/keys/exposed",
                guard: .public(why: "whoever finds a key has none; only a key that is sent whole is dealt with"),
                summary: "Report keys that were found in public, as secret scanners do", requestBody: Self.schema
            ) { exchange async throws(Failure) in
                let reported = try Self.reported(await JSONBody.bytes(of: exchange, bytesMax: Self.bodyBytesMax))
                let exposures = try exposures()
                var answers: [JSONValue] = []
                for (token, type) in reported {
                    let isKey = await exposures.meet(Array(token.utf8), .report)
                    answers.append([
                        // Never the token: an answer is kept in more places than a request.
                        "token_hash": .string(Base64.encode(SHA256.digest(Array(token.utf8)).bytes)),
                        "token_type": .string(type),
                        "label": isKey ? "true_positive" : "false_positive",
                    ])
                }
                return .json(.array(answers))
            }
        ]
    }

    /// Members that are not known pass: the form is somebody else's and may grow.
    private static func reported(_ bytes: [UInt8]) throws(Failure) -> [(token: String, type: String)] {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw Failure(.invalidJSON, "the body is not valid JSON: \(error.message)")
        }
        guard let list = value.array, (1...AuthLimits.reportedMax).contains(list.count) else {
            throw Failure(.invalidParameter, "the body must be a list of 1 to \(AuthLimits.reportedMax) tokens")
        }
        return try list.map { element throws(Failure) in
            guard let token = element["token"]?.string, (1...Credential.bytesMax).contains(token.utf8.count) else {
                throw Failure(.invalidParameter, "must be a text", param: "token")
            }
            return (token, String((element["type"]?.string ?? "gatehouse_api_key").prefix(64)))
        }
    }

    private static let schema: JSONValue = [
        "type": "array", "minItems": 1, "maxItems": .int(AuthLimits.reportedMax),
        "items": [
            "type": "object", "required": ["token"],
            "properties": [
                "token": ["type": "string"], "type": ["type": "string"], "url": ["type": "string"],
                "source": ["type": "string"],
            ],
        ],
    ]
}
