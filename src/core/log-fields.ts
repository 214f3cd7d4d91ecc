// A logger that adds fields to every line: whose lines they are is said once, where it is known.

import type { Logger } from './ports.js'

/** `fields` is asked for each line; what the line says itself comes before. */
export function withFields(log: Logger, fields: () => object): Logger {
  const add = (own: object): object => ({ ...fields(), ...own })
  return {
    debug: (own, message) => log.debug(add(own), message),
    info: (own, message) => log.info(add(own), message),
    warn: (own, message) => log.warn(add(own), message),
    error: (own, message) => log.error(add(own), message),
  }
}
