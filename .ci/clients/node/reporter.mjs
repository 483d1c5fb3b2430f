// What node --test finds, as the events of go test -json: one package for each file.
import { basename } from 'node:path'

export default async function* (source) {
  const files = new Map()
  const event = (e) => JSON.stringify(e) + '\n'
  for await (const { type, data } of source) {
    if (type === 'test:stderr' || type === 'test:stdout') {
      process.stderr.write(data.message)
      continue
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const name = data.file && basename(data.file, '.test.mjs')
    if (data.nesting > 0) continue
    if (!name || data.name.endsWith('.test.mjs')) {
      // A file that could not be read to its end.
      if (type === 'test:fail') yield event({ Action: 'output', Package: 'keytrail.test/clients/node', Test: data.name, Output: String(data.details.error?.cause ?? data.details.error) })
      if (type === 'test:fail') yield event({ Action: 'fail', Package: 'keytrail.test/clients/node', Test: data.name })
      continue
    }
    const Package = 'keytrail.test/clients/node/' + name
    const Elapsed = data.details.duration_ms / 1000
    const file = files.get(Package) ?? { Elapsed: 0, Action: 'pass' }
    files.set(Package, file)
    file.Elapsed += Elapsed
    yield event({ Action: 'run', Package, Test: data.name })
    let Action = type === 'test:pass' ? 'pass' : 'fail'
    if (data.skip !== undefined) {
      Action = 'skip'
      yield event({ Action: 'output', Package, Test: data.name, Output: String(data.skip) })
    }
    if (Action === 'fail') {
      file.Action = 'fail'
      const cause = data.details.error?.cause ?? data.details.error
      for (const Output of String(cause?.stack ?? cause).split('\n')) yield event({ Action: 'output', Package, Test: data.name, Output })
    }
    yield event({ Action, Package, Test: data.name, Elapsed })
  }
  for (const [Package, { Action, Elapsed }] of files) yield event({ Action, Package, Elapsed })
}
