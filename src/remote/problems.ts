// Answers that are refusals, as errors: the server's code, text and details, so that callers branch on codes whether they
// talk to a server or to a database.

import { CerebelumError, errorCode } from '../core/errors.js'

/** The error that problem details tell of. */
export function errorOf(status: number, problem: unknown): CerebelumError {
  const {
    code,
    detail,
    type: _type,
    title: _title,
    instance: _instance,
    status: _status,
    executionStatus,
    ...rest
  } = Object(problem)
  const details = executionStatus === undefined ? rest : { ...rest, status: executionStatus }
  const known = errorCode({ code })
  if (known !== undefined) return new CerebelumError(known, String(detail), details)
  const said = typeof code === 'string' ? `${code}: ${String(detail)}` : 'which is no answer of Cerebelum'
  return new CerebelumError(
    'UNEXPECTED_ANSWER',
    `The server answered ${status}, ${said}. Check the URL, what stands between, and that both are of one release.`,
    { ...details, httpStatus: status },
  )
}

export function unavailable(url: string, attempts: number, cause: unknown): CerebelumError {
  return new CerebelumError(
    'SERVER_UNAVAILABLE',
    `No answer from ${url} after ${attempts} attempts. Check the URL and the network; what was sent may have been done, ` +
      'and may be sent again with the same ids.',
    { cause },
  )
}
