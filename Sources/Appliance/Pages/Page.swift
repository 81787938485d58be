// SPDX-License-Identifier: Apache-2.0

/// A page for people: HTML without a script, styled by `/docs/style.css` alone, so that the policy on it can forbid the rest.
struct Page {
    private var html: String

    private static let places = [("/docs", "Manual"), ("/security", "Security"), ("/openapi.json", "API")]

    /// - Parameter isAt: the path of the entry of the menu that it belongs to.
    init(title: String, isAt place: String) {
        html = """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(HTMLText.escaped(title)) · Gatehouse</title>
            <link rel="stylesheet" href="/docs/style.css"></head>
            <body><header><a class="name" href="/docs">Gatehouse</a><nav>
            """
        for (path, name) in Self.places {
            html += "<a href=\"\(path)\"\(path == place ? " aria-current=\"page\"" : "")>\(name)</a>"
        }
        html += "</nav></header>\n<main>\n"
    }

    /// Appends HTML. Whatever did not come out of this program's own texts has to be escaped before.
    mutating func add(_ part: String) { html += part + "\n" }

    var bytes: [UInt8] { Array((html + "</main></body></html>\n").utf8) }
}

/// Text in HTML.
enum HTMLText {
    /// The text with everything that could end an element's content or an attribute's value written as a reference.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
