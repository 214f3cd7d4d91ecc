// Copies a text; also on pages from an insecure origin, where the browser has no clipboard to offer.

import { useState } from 'preact/hooks'
import { after } from '../clock.js'

export function Copy({ text, what }: { readonly text: string; readonly what: string }) {
  const [isDone, setIsDone] = useState(false)
  const copy = async (): Promise<void> => {
    await write(text)
    setIsDone(true)
    after(1_500, () => setIsDone(false))
  }
  return (
    <button type="button" class="button quiet small" aria-label={`Copy ${what}`} onClick={() => void copy()}>
      {isDone ? 'copied' : 'copy'}
    </button>
  )
}

async function write(text: string): Promise<void> {
  if (window.isSecureContext) return navigator.clipboard.writeText(text)
  const area = document.createElement('textarea')
  area.value = text
  area.className = 'unseen'
  document.body.append(area)
  area.select()
  document.execCommand('copy')
  area.remove()
}
