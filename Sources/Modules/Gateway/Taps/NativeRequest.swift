// SPDX-License-Identifier: Apache-2.0

package import JSON

/// A client's body for a provider of the same protocol: its bytes, but for what must change. Everything else, white space
/// and the spelling of numbers included, reaches the provider as it came; so what we read is what it reads.
package enum NativeRequest {
    /// The model's name becomes the provider's. On chats also `store` is declined, where the provider knows
    /// it; on streamed chats and completions usage is asked for.
    package static func body(_ document: JSONDocument, route: ModelRoute, for model: UpstreamModel) -> [UInt8] {
        let root = document.root
        var edit = JSONEdit(document)
        edit.setMember(of: root, "model", .string(model.name))
        if route == .chat || route == .completions, root["stream"]?.bool == true {
            if let options = root["stream_options"], options.kind == .object {
                edit.setMember(of: options, "include_usage", true)
            } else {
                edit.setMember(of: root, "stream_options", ["include_usage": true])
            }
        }
        if route == .chat, model.tellsStore { edit.setMember(of: root, "store", false) }
        return edit.apply()
    }
}
