// Requests that no decent program sends: broken framing, headers without end, methods of other times, paths that lead
// out. Never a 5xx, never a hang, and the server serves on.

import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { workflow } from '../../src/workflow/define.js'
import { useHttp } from '../support/http.js'

const echo = workflow({ name: 'echo' }, async (_ctx, input: unknown) => input)
const http = useHttp([echo])

/** Sends bytes as they are and collects what comes back until the server ends, or is silent for a while. */
function raw(parts: readonly (string | Uint8Array)[], silenceMs = 400): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(http.server.port, '127.0.0.1')
    let answer = ''
    socket.setEncoding('latin1').on('data', (text: string) => (answer += text))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Cut off while sending is an answer too.
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') resolve(answer)
      else reject(error)
    })
    socket.on('close', () => resolve(answer))
    socket.setTimeout(silenceMs, () => socket.destroy())
    for (const part of parts) socket.write(part)
  })
}

const HOST = 'Host: localhost\r\n'
const statuses = (answer: string): number[] =>
  Array.from(answer.matchAll(/HTTP\/1\.1 (\d\d\d)/g), (match) => Number(match[1]))

async function servesOn(): Promise<void> {
  expect((await http.request('GET', './readyz')).body).toEqual({ ready: true })
}

describe('on the wire', () => {
  const long = 'x'.repeat(70_000)
  it.each<[string, readonly string[], readonly number[]]>([
    ['no HTTP at all', ['hello\r\n\r\n'], [400]],
    ['TLS', ['\u0016\u0003\u0001\u0002\u0000\u0001\u0000\r\n\r\n'], [400]],
    ['a method that does not exist', [`FROB /healthz HTTP/1.1\r\n${HOST}\r\n`], [400]],
    ['TRACE', [`TRACE /healthz HTTP/1.1\r\n${HOST}\r\n`], [405]],
    ['CONNECT', [`CONNECT other.host:443 HTTP/1.1\r\n${HOST}\r\n`], []],
    ['a method in lower case', [`get /healthz HTTP/1.1\r\n${HOST}\r\n`], [400]],
    ['PROPFIND', [`PROPFIND /healthz HTTP/1.1\r\n${HOST}\r\n`], [405]],
    ['no Host', ['GET /healthz HTTP/1.1\r\n\r\n'], [400]],
    ['two Hosts', [`GET /healthz HTTP/1.1\r\n${HOST}Host: other\r\n\r\n`], [400, 200]],
    ['a Host that is none', ['GET /healthz HTTP/1.1\r\nHost: a b/\\@:x\r\n\r\n'], [400]],
    ['a path without a slash', [`GET healthz HTTP/1.1\r\n${HOST}\r\n`], [400, 404]],
    ['an asterisk', [`OPTIONS * HTTP/1.1\r\n${HOST}\r\n`], [204, 400, 404]],
    ['a whole URL of another host', [`GET http://other/healthz HTTP/1.1\r\n${HOST}\r\n`], [200]],
    ['a URL that is none', [`GET http://[::/healthz HTTP/1.1\r\n${HOST}\r\n`], [400, 404]],
    ['a path that leads out', [`GET /api/v1/../../etc/passwd HTTP/1.1\r\n${HOST}\r\n`], [404]],
    [
      'an encoded path that leads out',
      [`GET /api/v1/%2e%2e/%2e%2e/healthz HTTP/1.1\r\n${HOST}\r\n`],
      [200, 404],
    ],
    ['slashes', [`GET ////api//v1//executions HTTP/1.1\r\n${HOST}\r\n`], [400, 404]],
    ['NUL in the path', [`GET /health\u0000z HTTP/1.1\r\n${HOST}\r\n`], [400]],
    ['bytes over 127 in the path', [`GET /executions/\u00ff\u00fe HTTP/1.1\r\n${HOST}\r\n`], [400, 404]],
    ['a header that is too large', [`GET /healthz HTTP/1.1\r\n${HOST}X-Long: ${long}\r\n\r\n`], [431]],
    ['too many headers', [`GET /healthz HTTP/1.1\r\n${HOST}${'X: y\r\n'.repeat(10_000)}\r\n`], [431, 200]],
    ['a query without end', [`GET /api/v1/executions?workflow=${long} HTTP/1.1\r\n${HOST}\r\n`], [431]],
    [
      'ten thousand parameters',
      [`GET /api/v1/executions?${'a&'.repeat(7_000)} HTTP/1.1\r\n${HOST}\r\n`],
      [400],
    ],
    ['NUL in a header', [`GET /healthz HTTP/1.1\r\n${HOST}X: a\u0000b\r\n\r\n`], [400]],
    ['a folded header', [`GET /healthz HTTP/1.1\r\n${HOST}X: a\r\n b\r\n\r\n`], [200, 400]],
    [
      'two lengths',
      [`POST /api/v1/executions HTTP/1.1\r\n${HOST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`],
      [400],
    ],
    ['a negative length', [`POST /api/v1/executions HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n`], [400]],
    [
      'a length and chunks',
      [
        `POST /api/v1/executions HTTP/1.1\r\n${HOST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      ],
      [400],
    ],
    [
      'chunks that are none',
      [`POST /api/v1/executions HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`],
      [400],
    ],
    [
      'an encoding that nobody knows',
      [`POST /api/v1/executions HTTP/1.1\r\n${HOST}Transfer-Encoding: frob\r\n\r\n{}`],
      [400, 501],
    ],
    [
      'a body announced as gigabytes',
      [
        `POST /api/v1/executions HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{`,
      ],
      [413],
    ],
    [
      'a compressed body',
      [
        `POST /api/v1/executions HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}`,
      ],
      [400, 415],
    ],
    [
      'an upgrade',
      [`GET /healthz HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`],
      [200],
    ],
    [
      'an expectation',
      [
        `POST /api/v1/executions HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n`,
        '{}',
      ],
      [100, 400],
    ],
    ['an expectation that nobody meets', [`GET /healthz HTTP/1.1\r\n${HOST}Expect: miracles\r\n\r\n`], [417]],
    ['several requests at once', [`GET /healthz HTTP/1.1\r\n${HOST}\r\n`.repeat(5)], [200]],
    ['half a request', ['GET /healthz HT'], []],
    ['half a body', [`POST /api/v1/executions HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\n{`], []],
    ['HTTP/0.9', ['GET /healthz\r\n\r\n'], [400]],
    ['HTTP/3.0', [`GET /healthz HTTP/3.0\r\n${HOST}\r\n`], [400, 505]],
  ])('%s', async (_what, parts, allowed) => {
    const answer = await raw(parts)
    const found = statuses(answer)
    for (const status of found) expect(allowed, answer.slice(0, 300)).toContain(status)
    if (allowed.length > 0) expect(found, answer).not.toEqual([])
    expect(answer).not.toMatch(/at .*\.(js|ts):\d+/)
    await servesOn()
  })

  it('a request that is cut in the middle of its body changes nothing', async () => {
    const body = JSON.stringify({ workflow: 'echo', id: 'cut' })
    const head = `POST /api/v1/executions HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: ${body.length + 1}\r\n\r\n`
    await raw([head, body], 100)
    expect((await http.request('GET', '/executions/cut')).status).toBe(404)
  })
})
