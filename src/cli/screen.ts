// A screen that is shown again and again without flickering: written over in place and in one piece, never cleared
// first. What does not fit is cut. Without a terminal each is written below the one before.

import type { OutputStream } from './output.js'

export interface ScreenStream extends OutputStream {
  readonly rows?: number
}

const HOME = '\u001b[H'
const CLEAR = '\u001b[2J'
const CLEAR_LINE = '\u001b[K'
const CLEAR_BELOW = '\u001b[J'
const ROWS_DEFAULT = 24

export class Screen {
  readonly #stream: ScreenStream
  #isFirst = true

  constructor(stream: ScreenStream) {
    this.#stream = stream
  }

  show(write: (stream: OutputStream) => void): void {
    let text = ''
    const { isTTY = false, columns = 80, rows = ROWS_DEFAULT } = this.#stream
    write({ isTTY, columns, write: (part) => (text += part) })
    if (!isTTY) return void this.#stream.write(text)
    const lines = text
      .trimEnd()
      .split('\n')
      .slice(0, Math.max(1, rows - 1))
    const begin = this.#isFirst ? CLEAR + HOME : HOME
    this.#isFirst = false
    this.#stream.write(`${begin}${lines.map((line) => `${line}${CLEAR_LINE}\n`).join('')}${CLEAR_BELOW}`)
  }
}
