import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { startProgress, writeTable } from '../../src/cli/output.js'

const data = {
  head: ['id', 'status'],
  rows: [
    ['order-7', 'running'],
    ['a\u001b[31m\nb', null],
  ],
}

function record(
  isTTY: boolean,
  columns = 80,
): { text: string; isTTY: boolean; columns: number; write(text: string): void } {
  return {
    text: '',
    isTTY,
    columns,
    write(text) {
      this.text += text
    },
  }
}

describe('a table', () => {
  test('is tab-separated lines without a terminal', () => {
    const stream = record(false)
    writeTable(data, stream)
    expect(stream.text).toBe('id\tstatus\norder-7\trunning\na [31m b\t-\n')
  })

  test('never lets a value control the terminal', () => {
    const stream = record(true)
    writeTable({ head: ['id'], rows: [['\u001b]0;title\u0007x']] }, stream)
    expect(stream.text).not.toContain('\u0007')
    expect(stream.text).not.toContain('\u001b]')
  })

  test('fits the terminal', () => {
    const stream = record(true, 40)
    writeTable({ head: ['id', 'note'], rows: [['order-7', 'long words '.repeat(20)]] }, stream)
    // eslint-disable-next-line no-control-regex
    const lines = stream.text.replace(/\u001b\[[0-9;]*m/g, '').split('\n')
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(40)
  })
})

describe('progress', () => {
  test('is one last line without a terminal, not a flood', () => {
    const stream = new PassThrough({ encoding: 'utf8' })
    const progress = startProgress({ label: 'flights', total: 1000 }, stream)
    for (let done = 0; done <= 1000; done += 1) progress.update(done)
    progress.stop()
    expect(stream.read()).toBe('flights 1000/1000\n')
  })
})
