// A value as indented JSON with its parts told apart by color. Text only: what it holds is never markup.

import { useState } from 'preact/hooks'
import { number } from '../format.js'
import { Copy } from './copy.js'

const SHOWN_CHARACTERS = 20_000
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

export function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? 'undefined'
}

/** For reading and comparing: the lines of a stack below each other. */
export function readable(value: unknown): string {
  return pretty(value).replaceAll(
    /^(\s*)"stack": "(.*)"(,?)$/gm,
    (_all, space: string, stack: string, comma: string) =>
      `${space}"stack": "${stack.replaceAll('\\n', `\n${space}`)}"${comma}`,
  )
}

export function JsonView({ value, what }: { readonly value: unknown; readonly what: string }) {
  const [isWhole, setIsWhole] = useState(false)
  const text = pretty(value)
  const shown = isWhole ? readable(value) : readable(value).slice(0, SHOWN_CHARACTERS)
  return (
    <div class="json">
      <div class="json-tools">
        <Copy text={text} what={what} />
      </div>
      <pre tabIndex={0} aria-label={what}>
        {tokens(shown)}
      </pre>
      {!isWhole && shown.length === SHOWN_CHARACTERS && (
        <button type="button" class="button small" onClick={() => setIsWhole(true)}>
          Show all {number(text.length)} characters
        </button>
      )}
    </div>
  )
}

function tokens(text: string) {
  const out = []
  let end = 0
  for (const match of text.matchAll(TOKEN)) {
    const [all, quoted, colon] = match
    if (match.index > end) out.push(text.slice(end, match.index))
    if (colon !== undefined) out.push(<span class="json-key">{quoted}</span>, colon)
    else out.push(<span class={quoted === undefined ? 'json-literal' : 'json-text'}>{all}</span>)
    end = match.index + all.length
  }
  out.push(text.slice(end))
  return out
}
