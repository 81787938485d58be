// SPDX-License-Identifier: Apache-2.0
// Made by packaging/pages.py of packaging/manual/06-budgets.md.

// swift-format-ignore-file

extension ManualPages {
    static let budgets = ManualPage(
        name: "budgets", title: "Budgets and limits",
        html: ##"""
        <h1>Budgets and limits</h1>
        <p>A thousand requests in any rolling hour are allowed to a key and to a tenant unless <code>[limiter]</code> says otherwise. What is set by command takes the place of the configuration&#x27;s at once, and survives a restart.</p>
        <pre><code>gatehouse limit set --tenant acme --limit &quot;5000 requests/hour&quot; --limit &quot;64 concurrent&quot;
        gatehouse limit show --tenant acme</code></pre>
        <p>A budget is money or tokens, by day, month or in all. The worst case of a call is held back before it leaves the house and settled at what the provider counted, so that calls in parallel cannot pass it, and a stream that would is cut.</p>
        <pre><code>gatehouse budget set --tenant acme --budget &#x27;$5/day&#x27; --budget &#x27;$100/month&#x27; --budget &#x27;2000000 tokens/month&#x27;
        gatehouse limit show --tenant acme --json</code></pre>
        <p>A model without a price is refused where there is a budget of money, and not counted as free. Prices stand with the models, or in a file in LiteLLM&#x27;s form (<code>[gateway] prices</code>).</p>
        <pre><code>gatehouse usage --by model
        gatehouse usage --tenant acme --by key
        gatehouse budget reset --tenant acme
        gatehouse limit reset --tenant acme</code></pre>
        <p>Whoever misbehaves (tries keys, probes paths, goes on above a limit) is kept out for a while: a key, a person behind one, or an address for whoever comes from there without a valid credential.</p>
        <pre><code>gatehouse block list
        gatehouse block set --address 203.0.113.7 --for 24h
        gatehouse block lift --address 203.0.113.7</code></pre>
        """##)
}
