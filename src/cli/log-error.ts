// Errors in log lines: type, message, code, stack and causes, and nothing else. What errors carry along is left out, because
// that is where clients of all kinds put requests with their headers; credentials in URLs and headers are struck out.

import { toFailure, type Failure } from '../core/failure.js'

export interface LoggedError {
  readonly type: string
  readonly message: string
  readonly code?: string
  readonly stack?: string
  readonly cause?: LoggedError
}

export function logError(error: unknown): LoggedError {
  return told(toFailure(error))
}

function told({ type, message, code, stack, cause }: Failure): LoggedError {
  return {
    type,
    message: withoutSecrets(message),
    ...(code === undefined ? {} : { code }),
    ...(stack === undefined ? {} : { stack: withoutSecrets(stack) }),
    ...(cause === undefined ? {} : { cause: told(cause) }),
  }
}

function withoutSecrets(text: string): string {
  return text
    .replaceAll(/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, '$1***@')
    .replaceAll(/\b(bearer|basic)\s+[\w.~+/=-]+/gi, '$1 ***')
    .replaceAll(/\b(password|passwd|secret|token|api[_-]?key)(["']?\s*[=:]\s*["']?)[^\s"'&,;}]+/gi, '$1$2***')
}
