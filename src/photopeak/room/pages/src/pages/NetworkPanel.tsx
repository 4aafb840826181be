import { useState } from 'preact/hooks'
import type { Earlier, Mark, NetworkDocument, Picture, StudyDetail } from '../api'
import { date, judgement, percent } from '../words'
import type { Why, useNetwork } from '../network'

interface Props {
  network: ReturnType<typeof useNetwork>
  detail: StudyDetail | null
  marks: Mark[]
  pictures: Picture[]
  /** What each picture is called. */
  names: string[]
  which: number
  onWhich: (at: number) => void
}

export function NetworkPanel({ network, detail, marks, pictures, names, which, onWhich }: Props) {
  const [first, setFirst] = useState(localStorage.getItem('network first') === 'yes')
  const documents = network.data?.documents ?? []
  const said = documents.filter((d) => !d.reading.refused)
  const refused = documents.filter((d) => d.reading.refused)
  const open = marks.filter((m) => m.state === 'open').length
  const at = (d: NetworkDocument) => pictures.findIndex((p) => p.image === d.image)
  const called = (d: NetworkDocument) => names[at(d)] ?? 'an image that is not here'
  return (
    <section class="network" aria-label="What the network thinks">
      <header>
        <h2>Network</h2>
        <label class="inline" title="N">
          <input type="checkbox" role="switch" checked={network.shown} onChange={() => void network.toggle()} /> show
        </label>
      </header>
      {network.fault && <p class="fault">{network.fault}</p>}
      {!network.shown && !network.fault && <p class="hint">Hidden for a first look of your own. N shows it; your read then says that it was seen.</p>}
      {network.shown && documents.length === 0 && <p>{network.data?.waiting ? 'The study is being read …' : 'No network has read this study.'}</p>}
      {network.shown && documents.length > 0 && (
        <>
          {said.map((d) => (
            <div key={d.image} class={`reading-of ${at(d) === which ? 'here' : ''}`} data-image={d.image}>
              {documents.length > 1 && <button class="of" aria-pressed={at(d) === which} title="Show this image" disabled={at(d) < 0} onClick={() => onWhich(at(d))}>{called(d)}</button>}
              <Said document={d} title={pictures[at(d)]?.title ?? ''} sole={said.length === 1} detail={detail} network={network} />
            </div>
          ))}
          {refused.map((d) => <p key={d.image} class="warn">{documents.length > 1 ? `${called(d)}: not read. ` : 'Not read: '}{d.reading.refused}</p>)}
          {said.length > 0 && <label class="slider">Map <input type="range" min="0" max="1" step="0.05" value={network.opacity} onInput={(e) => network.setOpacity(Number(e.currentTarget.value))} /></label>}
          {open > 0 && <p class="hint">{open} of its lesions are neither accepted nor rejected.</p>}
          <p class="small"><a href="/models">{network.data?.bundle}</a> {network.data?.bundle_sha256?.slice(0, 8)}</p>
        </>
      )}
      <label class="inline small">
        <input type="checkbox" checked={first} onChange={(e) => { setFirst(e.currentTarget.checked); localStorage.setItem('network first', e.currentTarget.checked ? 'yes' : 'no') }} /> show it at once in every study
      </label>
    </section>
  )
}

/** What the network says of one image. */
function Said({ document: { image, reading }, title, sole, detail, network }: { document: NetworkDocument; title: string; sole: boolean; detail: StudyDetail | null; network: ReturnType<typeof useNetwork> }) {
  const why = network.why?.image === image ? network.why : null
  return (
    <>
      {(reading.judgements ?? []).map((j) => (
        <div key={j.question}>
          <div class="judgement">
            <meter min={0} max={1} value={j.probability} aria-label={`${j.question} ${percent(j.probability)}`} />
            <b>{percent(j.probability)}</b> <span class={j.answers.length === 1 ? '' : 'unsure'}>{judgement(j.question, j.answers)}</span>
            <button class="quiet" aria-pressed={why?.question === j.question} title={`What the answer on ${j.question} rests on`} onClick={() => void network.explain(image, j.question)}>why</button>
          </div>
          {why?.question === j.question && <Reasons why={why} />}
        </div>
      ))}
      {reading.bone_scan_index_percent != null && <Index now={reading.bone_scan_index_percent} title={title} sole={sole} detail={detail} />}
      {(reading.flags ?? []).map((f) => <p key={f} class="warn">⚠ {f}</p>)}
    </>
  )
}

/** What becomes of an answer when single spots are covered. */
function Reasons({ why: { question, said } }: { why: Why }) {
  if (!said) return <p class="hint" role="status">Covering one spot after the other …</p>
  const shown = said.places.filter((p) => p.without !== null).slice(0, 6)
  if (!shown.length) return <p class="hint" role="status">No single spot changes the answer on {question} by much.</p>
  return (
    <div class="reasons" role="status">
      <ul>
        {shown.map((p, i) => (
          <li key={i} class={p.log_odds > 0 ? 'for' : 'against'}>{p.region || 'no named region'} ({p.views.join(', ')}) {p.log_odds > 0 ? 'speaks for it' : 'speaks against it'}: without it {percent(p.without)}</li>
        ))}
      </ul>
      <p class="hint">Orange speaks for {question}, blue against. It shows what the network goes by, which need not be the reason.</p>
    </div>
  )
}

/** The index of an earlier study that this image's may be compared with: that of an image with the same title. */
function comparable(o: Earlier, title: string, sole: boolean): number | null {
  const own = o.signed_indices[title]
  if (own !== undefined) return own
  return sole && Object.keys(o.signed_indices).length <= 1 ? o.signed_index : null // one image then, one now
}

/** The bone scan index of an image, and how it went over earlier studies. */
function Index({ now, title, sole, detail }: { now: number; title: string; sole: boolean; detail: StudyDetail | null }) {
  const before = (detail?.others ?? [])
    .map((o) => ({ date: o.date, value: comparable(o, title, sole) }))
    .filter((p): p is { date: string; value: number } => p.value !== null)
  const all = [...before, { date: detail?.date ?? '', value: now }].sort((a, b) => a.date.localeCompare(b.date))
  const top = Math.max(0.5, ...all.map((p) => p.value))
  return (
    <div class="index">
      <span>Bone scan index <b>{now.toFixed(2)} %</b></span>
      {all.length > 1 && (
        <svg width="130" height="34" role="img" aria-label={all.map((p) => `${date(p.date)}: ${p.value.toFixed(2)} %`).join('; ')}>
          <polyline points={all.map((p, i) => `${6 + (i * 118) / (all.length - 1)},${30 - (26 * p.value) / top}`).join(' ')} />
          {all.map((p, i) => <circle key={i} cx={6 + (i * 118) / (all.length - 1)} cy={30 - (26 * p.value) / top} r="2.5"><title>{date(p.date)}: {p.value.toFixed(2)} %</title></circle>)}
        </svg>
      )}
    </div>
  )
}
