// SPDX-License-Identifier: Apache-2.0

import Bytes
package import JSON

/// A client's body for a provider of the same protocol: its bytes, but for what must change. Everything else, white space
/// and the spelling of numbers included, reaches the provider as it came; so what we read is what it reads.
package enum NativeRequest {
    /// The model's name becomes the provider's. On chats also `store` is declined, where the provider knows
    /// it; on streamed chats and completions usage is asked for.
    package static func body(_ document: JSONDocument, route: ModelRoute, for model: UpstreamModel) -> [UInt8] {
        body(document, document.read { CallPlaces($0) }, route, model, outputTokensMax: nil)
    }

    /// The same where the places of its members are known.
    ///
    /// - Parameter outputTokensMax: is set as the most tokens of an answer; `nil` where the client's own word stands.
    static func body(
        _ document: JSONDocument, _ places: CallPlaces, _ route: ModelRoute, _ model: UpstreamModel,
        outputTokensMax: Int?
    ) -> [UInt8] {
        let isCompletion = route == .chat && model.dialect == .openai
        let tellsStore = route == .chat && model.tellsStore
        let body = document.read { view in
            extended(view, places, route, model, outputTokensMax, isCompletion, declinesStore: tellsStore)
        }
        if let body { return body }
        let root = document.root
        var edit = JSONEdit(document)
        edit.setMember(of: root, "model", .string(model.name))
        if let outputTokensMax {
            edit.setMember(of: root, isCompletion ? "max_completion_tokens" : "max_tokens", .int(outputTokensMax))
        }
        if route == .chat || route == .completions, root["stream"]?.bool == true {
            if let options = root["stream_options"], options.kind == .object {
                edit.setMember(of: options, "include_usage", true)
            } else {
                edit.setMember(of: root, "stream_options", ["include_usage": true])
            }
        }
        if tellsStore { edit.setMember(of: root, "store", false) }
        return edit.apply()
    }

    /// The same where the model's name is all that must be replaced, as in most requests: one copy, with the other members
    /// behind the client's last. nil where the client has sent one of these itself.
    ///
    /// - Parameter isCompletion: whether the most tokens of an answer are `max_completion_tokens`.
    private static func extended(
        _ view: borrowing JSONView, _ places: CallPlaces, _ route: ModelRoute, _ model: UpstreamModel,
        _ outputTokensMax: Int?, _ isCompletion: Bool, declinesStore: Bool
    ) -> [UInt8]? {
        guard places.model > 0 else { return nil }
        guard outputTokensMax == nil || (isCompletion ? places.completionTokensMax : places.tokensMax) == 0 else {
            return nil
        }
        let needsUsage =
            (route == .chat || route == .completions) && places.stream > 0 && view.bool(places.stream) == true
        let asksForUsage = needsUsage && places.streamOptions == 0
        guard !needsUsage || asksForUsage || OpenAISettings.showsUsage(view, places.streamOptions),
            !declinesStore || places.store == 0
        else { return nil }
        let place = view.range(of: places.model)
        let text = view.text
        // Behind the last member, which the closing brace follows; the name's member is there, so a comma is due.
        var end = view.range(of: 0).upperBound - 1
        while end > place.upperBound, text[end - 1].isASCIIWhitespace { end -= 1 }
        let most = DecimalDigits(outputTokensMax ?? 0)
        let mostMember = isCompletion ? completionTokensMember : tokensMember
        let count =
            text.count - place.count + model.nameText.count + usageMember.utf8CodeUnitCount
            + storeMember.utf8CodeUnitCount + mostMember.utf8CodeUnitCount
            + 20
        return [UInt8](room: count) { body in
            body.append(text.extracting(..<place.lowerBound))
            body.append(model.nameText.span)
            body.append(text.extracting(place.upperBound..<end))
            if outputTokensMax != nil {
                body.append(utf8: mostMember)
                most.withSpan { body.append($0) }
            }
            if asksForUsage { body.append(utf8: usageMember) }
            if declinesStore { body.append(utf8: storeMember) }
            body.append(text.extracting(end...))
        }
    }

    private static let usageMember: StaticString = #","stream_options":{"include_usage":true}"#
    private static let completionTokensMember: StaticString = #","max_completion_tokens":"#
    private static let tokensMember: StaticString = #","max_tokens":"#
    private static let storeMember: StaticString = #","store":false"#
}
