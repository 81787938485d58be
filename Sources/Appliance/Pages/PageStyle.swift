// SPDX-License-Identifier: Apache-2.0

/// The style of every page: one column, the reader's own fonts, light or dark as the reader has it.
let pageStyle = #"""
    :root {
      color-scheme: light dark;
      --ground: light-dark(#fbfaf7, #16181b); --text: light-dark(#1d2125, #e6e3dc); --quiet: light-dark(#646a70, #9aa0a6);
      --line: light-dark(#e2ded5, #2c3036); --card: light-dark(#ffffff, #1c1f23); --accent: light-dark(#0b5c8a, #7cc0ea);
      --good: light-dark(#1c7a4a, #6fcf97); --open: light-dark(#9a6700, #e3b341);
    }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--ground); color: var(--text); font: 1rem/1.6 system-ui, sans-serif; }
    header, main { max-width: 46rem; margin: 0 auto; padding: 0 1.25rem; }
    header { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: baseline; padding-top: 1.5rem; }
    header .name { font-weight: 700; color: var(--text); margin-right: auto; }
    nav { display: flex; gap: 1.25rem; }
    a { color: var(--accent); text-decoration: none; }
    a:hover, a:focus-visible { text-decoration: underline; }
    a[aria-current] { color: var(--text); text-decoration: underline; text-underline-offset: .4em; }
    main { padding-bottom: 4rem; }
    h1 { font-size: 1.9rem; line-height: 1.2; letter-spacing: -.01em; margin: 2.5rem 0 1rem; }
    h2 { font-size: 1.15rem; margin: 2.25rem 0 .75rem; }
    .lead { font-size: 1.1rem; color: var(--quiet); }
    .lead em { color: var(--text); font-style: normal; font-weight: 600; }
    code, pre { font: .875em/1.55 ui-monospace, monospace; }
    pre { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .9rem 1.1rem; overflow-x: auto; }
    p code, li code, td code { background: var(--card); border: 1px solid var(--line); border-radius: .3rem; padding: .05em .3em; }
    table { border-collapse: collapse; width: 100%; }
    th, td { text-align: left; vertical-align: top; padding: .45rem .75rem .45rem 0; border-bottom: 1px solid var(--line); }
    .controls { list-style: none; margin: 0; padding: 0; border: 1px solid var(--line); border-radius: .6rem; background: var(--card); }
    .controls li { display: grid; grid-template-columns: 3.2rem 1fr auto; gap: 0 .75rem; padding: .7rem 1rem; border-top: 1px solid var(--line); }
    .controls li:first-child { border-top: 0; }
    .controls .id { font-weight: 600; font-variant-numeric: tabular-nums; }
    .controls .id::before { content: "●"; font-size: .7em; margin-right: .5em; vertical-align: .1em; }
    .controls .holds .id::before { color: var(--good); }
    .controls .unknown .id::before { color: var(--open); }
    .controls .evidence { color: var(--quiet); }
    .controls time { grid-column: 2 / -1; color: var(--quiet); font-size: .85rem; }
    .open h2 { color: var(--open); }
    details { border-bottom: 1px solid var(--line); padding: .5rem 0; }
    summary { cursor: pointer; }
    summary span, .foot { color: var(--quiet); }
    .foot { margin-top: 2.5rem; }
    .pages li { padding: .2rem 0; }
    @media (max-width: 30rem) { .controls li { grid-template-columns: 3.2rem 1fr; } .controls .evidence { grid-column: 2; } }
    """#
