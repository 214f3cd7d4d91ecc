// How the reference page looks: light and dark, from a phone's width up. One text, because the page's policy names its hash.

export const DOCS_STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --link: light-dark(#0a58ca, #8ab4ff) }
* { box-sizing: border-box }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; display: grid; grid-template-columns: 17rem minmax(0, 1fr) }
nav { padding: 1rem; border-right: 1px solid var(--line); height: 100vh; position: sticky; top: 0; overflow: auto; font-size: .875rem }
nav h2 { font-size: .875rem; margin: 1rem 0 .25rem }
nav ul { list-style: none; margin: 0; padding: 0 }
main { padding: 1rem 2rem; max-width: 70rem }
a { color: var(--link) }
nav a { text-decoration: none }
a:focus-visible { outline: 2px solid var(--link) }
section { border-top: 1px solid var(--line); padding: .5rem 0 1rem }
pre { background: var(--soft); padding: .75rem; overflow: auto; border-radius: .25rem }
pre, code { font: .85rem/1.5 ui-monospace, monospace }
pre i { opacity: .75 }
.role { font-size: .8rem; border: 1px solid var(--line); border-radius: 1rem; padding: 0 .5rem }
table { border-collapse: collapse; width: 100%; font-size: .875rem; margin: .5rem 0 }
caption { text-align: left; font-weight: 600 }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere }
@media (max-width: 50rem) { body { display: block } nav { position: static; height: auto; border-right: 0 } main { padding: 1rem } }
`
