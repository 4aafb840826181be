// Values as people read them.

/** A DICOM name as people write one: `Virtual^00004` is `Virtual, 00004`. */
export function personName(name: string): string {
  const [family = '', given = '', middle = ''] = (name.split('=')[0] ?? '').split('^')
  return [family, [given, middle].filter(Boolean).join(' ')].filter(Boolean).join(', ') || '(no name)'
}

/** `20260402` is `2026-04-02`. */
export function date(text: string): string {
  return /^\d{8}$/.test(text) ? `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}` : text
}

export function time(text: string): string {
  return /^\d{4}/.test(text) ? `${text.slice(0, 2)}:${text.slice(2, 4)}` : ''
}

/** An instant of the server, in this computer's time: `2026-04-02 08:30`. */
export function stamp(at: string): string {
  const t = new Date(at)
  const two = (n: number) => String(n).padStart(2, '0')
  return Number.isNaN(t.getTime()) ? at : `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${two(t.getHours())}:${two(t.getMinutes())}`
}

export function percent(p: number | null): string {
  if (p === null) return '–'
  if (p > 0 && p < 0.01) return '<1 %'
  if (p < 1 && p > 0.99) return '>99 %'
  return `${Math.round(100 * p)} %`
}

/** A short name for every picture: its series, and where two would be called alike the time or the place in the row. */
export function namesOf(pictures: { modality: string; title: string; manner: string; started: string | null }[]): string[] {
  const plain = pictures.map((p) => (p.manner === 'refused' ? 'not shown' : `${p.modality} ${p.title}`.slice(0, 36)))
  const timed = plain.map((name, i) => (plain.indexOf(name) === plain.lastIndexOf(name) || !pictures[i]!.started ? name : `${name}, ${pictures[i]!.started!.slice(11, 16)}`))
  return timed.map((name, i) => (timed.indexOf(name) === timed.lastIndexOf(name) ? name : `${name} (${timed.slice(0, i + 1).filter((n) => n === name).length})`))
}

export const STATES: Record<string, string> = {
  new: 'new',
  read: 'read by network',
  reading: 'in reading',
  second: 'needs second reader',
  signed: 'signed',
}

/** A judgement in words: what the conformal set leaves possible. */
export function judgement(question: string, answers: string[]): string {
  if (answers.length !== 1) return `not sure about ${question}: yes and no are both possible`
  return answers[0] === 'yes' ? `${question}: yes` : `${question}: no`
}

export function quantity(value: number, unit: string): string {
  const word = unit.replace('{counts}', 'counts').replace(/\{SUV(\w+)\}/, ' SUV $1').replace("[hnsf'U]", 'HU')
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return `${value.toFixed(unit === '{counts}' && Number.isInteger(value) ? 0 : digits)} ${word === '1' ? '' : word}`.trim()
}
