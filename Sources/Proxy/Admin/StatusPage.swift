// The status page: one document that asks for /status.json and draws it. Nothing in it comes from outside this process but
// as text, and it asks nobody else for anything.

enum StatusPage {
    /// What a browser may do with it (CSP level 3): run its own style and script, and ask where it came from.
    static func policy(nonce: String) -> String {
        "default-src 'none'; style-src 'nonce-\(nonce)'; script-src 'nonce-\(nonce)'; connect-src 'self'; "
            + "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    }

    /// The page. `nonce`: new for each answer, letters and digits only.
    static func html(nonce: String) -> String {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>clash-proxy</title>
        <link rel="icon" href="data:,">
        <style nonce="\(nonce)">\(style)</style>
        </head>
        <body>
        \(body)
        <script nonce="\(nonce)">\(script)</script>
        </body>
        </html>

        """
    }

    private static let style = """

        :root { color-scheme: light dark; --text: #1b1f24; --quiet: #57606a; --back: #ffffff; --card: #f6f8fa; --line: #d0d7de;
          --good: #116329; --warn: #7d4e00; --bad: #a40e26; --bar: #0969da; }
        @media (prefers-color-scheme: dark) {
          :root { --text: #e6edf3; --quiet: #9ea7b3; --back: #0d1117; --card: #161b22; --line: #30363d;
            --good: #56d364; --warn: #e3b341; --bad: #ff7b72; --bar: #58a6ff; } }
        * { box-sizing: border-box; }
        body { margin: 0 auto; max-width: 75rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--text);
          background: var(--back); }
        h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.05rem; margin: 0 0 .5rem; }
        header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; margin-bottom: 1rem; }
        main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1rem; }
        section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; min-width: 0; }
        .wide { grid-column: 1 / -1; } .old { opacity: .6; }
        .quiet { color: var(--quiet); } .good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
        th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
        td.number, th.number { text-align: right; }
        dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; margin: 0; } dt { color: var(--quiet); }
        dd { margin: 0; overflow-wrap: anywhere; } td, td *, dd { unicode-bidi: isolate; }
        svg { display: block; width: 100%; height: 4rem; } meter { width: 100%; height: 1rem; }
        input { font: inherit; color: inherit; background: var(--back); border: 1px solid var(--quiet); border-radius: .25rem;
          padding: .25rem .5rem; width: 100%; max-width: 24rem; }
        a { color: var(--bar); } :focus-visible { outline: 3px solid var(--bar); outline-offset: 2px; }
        pre { margin: 0; } .skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; }
        """

    private static let body = """
        <a class="skip" href="#windows">To the budget</a>
        <header><h1>clash-proxy</h1><span id="state" role="status" aria-live="polite">asking…</span>
        <span id="version" class="quiet"></span></header>
        <main>
        <section class="wide" aria-labelledby="h-budget"><h2 id="h-budget">Budget</h2><div id="windows"></div>
        <div id="pauses"></div></section>
        <section aria-labelledby="h-queue"><h2 id="h-queue">Queue and places</h2><dl id="queue"></dl></section>
        <section aria-labelledby="h-token"><h2 id="h-token">Token</h2><dl id="token"></dl></section>
        <section aria-labelledby="h-cache"><h2 id="h-cache">Cache</h2><dl id="cache"></dl></section>
        <section aria-labelledby="h-audit"><h2 id="h-audit">Audit log</h2><dl id="audit"></dl></section>
        <section aria-labelledby="h-fleet"><h2 id="h-fleet">Fleet</h2><dl id="fleet"></dl></section>
        <section class="wide" aria-labelledby="h-callers"><h2 id="h-callers">Callers</h2>
        <div class="scroll" tabindex="0" role="group" aria-label="Table of callers"><table id="callers"></table></div></section>
        <section class="wide" aria-labelledby="h-deletes"><h2 id="h-deletes">Latest deletes</h2>
        <p><label for="search">Search in caller, result, object, id</label><br><input id="search" type="search"></p>
        <div class="scroll" tabindex="0" role="group" aria-label="Table of deletes"><table id="deletes"></table></div></section>
        <section class="wide" aria-labelledby="h-configuration"><h2 id="h-configuration">Configuration</h2>
        <details><summary>In force since <span id="taken">–</span>, secrets hidden</summary>
        <div class="scroll" tabindex="0" role="group" aria-label="Text of the configuration"><pre id="toml"></pre></div></details>
        </section>
        </main>
        """

    /// Draws with text nodes only: what a name holds is never markup.
    private static let script = #"""

        'use strict';
        const at = id => document.getElementById(id);
        const make = (tag, text, cls) => { const e = document.createElement(tag); if (text !== undefined) e.textContent = text;
          if (cls) e.className = cls; return e; };
        const fill = (id, rows) => at(id).replaceChildren(...rows.filter(([, v]) => v !== null && v !== undefined)
          .flatMap(([k, v, cls]) => [make('dt', k), make('dd', v, cls)]));
        const table = (id, heads, rows, none) => { const t = at(id), tr = cells => { const r = make('tr'); r.append(...cells); return r; };
          const head = make('thead'), bodyPart = make('tbody');
          head.append(tr(heads.map(([h, n]) => { const c = make('th', h, n ? 'number' : ''); c.scope = 'col'; return c; })));
          bodyPart.append(...rows.map(cells => tr(cells.map((c, i) => { const d = make('td', undefined, heads[i][1] ? 'number' : '');
            d.append(c instanceof Node ? c : String(c ?? '–')); return d; }))));
          if (!rows.length) { const d = make('td', none, 'quiet'); d.colSpan = heads.length; bodyPart.append(tr([d])); }
          t.replaceChildren(head, bodyPart); };
        const history = new Map(), span = 15 * 60 * 1000;
        const seconds = s => s === null || s === undefined ? null : s < 90 ? Math.ceil(s) + ' s' : Math.floor(s / 60) + ' min';
        const bytes = n => (n / 1048576).toFixed(1) + ' MiB';
        function chart(name, limit, points, now) {
          const ns = 'http://www.w3.org/2000/svg', svg = document.createElementNS(ns, 'svg');
          svg.setAttribute('viewBox', '0 0 900 100'); svg.setAttribute('preserveAspectRatio', 'none');
          svg.setAttribute('role', 'img');
          svg.setAttribute('aria-label', `Use of ${name} in the last 15 minutes; now ${points.at(-1)[1]} of ${limit}`);
          const line = document.createElementNS(ns, 'polyline');
          line.setAttribute('points', points.map(([t, v]) =>
            `${(900 - (now - t) / span * 900).toFixed(1)},${(100 - Math.min(v / limit, 1) * 98).toFixed(1)}`).join(' '));
          line.setAttribute('fill', 'none'); line.setAttribute('stroke', 'currentColor'); line.setAttribute('stroke-width', '2');
          line.setAttribute('vector-effect', 'non-scaling-stroke'); svg.append(line); return svg; }
        function windows(list) {
          const now = Date.now();
          at('windows').replaceChildren(...list.map(w => {
            const points = history.get(w.window) ?? []; points.push([now, w.used]);
            history.set(w.window, points.filter(([t]) => now - t <= span));
            const box = make('div'), share = w.used / w.limit;
            const text = make('p', `${w.window}: ${w.used} of ${w.limit}, ${w.remaining} left`,
              share > 0.9 ? 'bad' : share > 0.7 ? 'warn' : '');
            if (w.next_free_seconds > 0) text.append(`; the next is free in ${seconds(w.next_free_seconds)}`);
            if (w.exhausted_at) text.append(`; full at ${new Date(w.exhausted_at).toLocaleTimeString()} if it goes on so`);
            const meter = make('meter'); meter.max = w.limit; meter.high = w.limit * 0.9; meter.value = w.used;
            meter.setAttribute('aria-label', `Window ${w.window}`);
            box.append(text, meter, chart(w.window, w.limit, history.get(w.window), now)); return box; })); }
        let deletes = [];
        function drawDeletes() {
          const word = at('search').value.toLowerCase();
          table('deletes', [['Time'], ['Caller'], ['Result'], ['Operation'], ['Objects'], ['Why'], ['Request']],
            deletes.filter(d => !word || JSON.stringify(d).toLowerCase().includes(word)).map(d => {
              const link = make('a', d.id); link.href = '/explain?id=' + encodeURIComponent(d.id);
              return [new Date(d.time).toLocaleString(), d.caller, make('span', d.result,
                ['deleted', 'not_found'].includes(d.result) ? 'good' : d.result === 'unknown' ? 'bad' : 'warn'), d.operation,
                d.objects.join(', ') + (d.count > d.objects.length ? ` and ${d.count - d.objects.length} more` : ''), d.reason, link]; }),
            'none by this process; all: clash-proxy audit list'); }
        function draw(s) {
          const state = at('state'), text = s.troubles.length ? s.troubles.join('; ') : s.ready ? 'ready' : 'not ready';
          if (state.textContent !== text) state.textContent = text;
          state.className = s.ready ? s.troubles.length ? 'warn' : 'good' : 'bad';
          at('version').textContent = `${s.version}, libcurl ${s.libcurl}, since ${new Date(s.started).toLocaleString()}`;
          windows(s.windows);
          at('pauses').replaceChildren(...s.cooldowns.map(p =>
            make('p', `Paused by Bentley: ${p.scope}, ${seconds(p.seconds)} left (${p.cause})`, 'bad')));
          fill('queue', [['Interactive', s.queue.interactive], ['Batch', s.queue.batch], ['Background', s.queue.background],
            ['Settling', s.queue.settling], ['Upstream now', `${s.queue.in_flight} of ${s.queue.places} places`],
            ['Refused', s.queue.refused], ['Refused by Bentley', s.queue.upstream_refusals]]);
          fill('token', [['Mode', s.token.mode], ['Good for', seconds(s.token.expires_in_seconds), s.token.usable ? 'good' : 'bad'],
            ['Renewed in', seconds(s.token.next_refresh_in_seconds)], ['Sign-in', s.token.needs_sign_in ? 'needed: clash-proxy login' : null, 'bad'],
            ['Trouble', s.token.last_failure, 'bad']]);
          fill('cache', s.cache.enabled ? [['Answers', s.cache.entries], ['Memory', `${bytes(s.cache.bytes)} of ${bytes(s.cache.max_bytes)}`],
            ['Calls saved by hits', s.cache.saved_by_hit], ['By shared fetches', s.cache.saved_by_flight]] : [['State', 'turned off']]);
          fill('audit', [['State', s.audit.state, s.audit.state === 'ready' ? 'good' : 'bad'], ['Records', s.audit.seq],
            ['Newest', s.audit.hash], ['Open intents', s.audit.open_intents], ['Where', s.audit.path],
            ...(s.audit.sinks ?? []).map(k => [`Copies to ${k.name}`, (k.lag ? `${k.lag} records behind` : 'up to date')
              + (k.state === 'down' ? `; down for ${seconds(k.down_seconds)}: it ${k.trouble}` : ''), k.state === 'down' ? 'bad' : 'good'])]);
          fill('fleet', !s.fleet.engine ? [['State', 'alone']] : [['Engine', s.fleet.engine],
            ['State', s.fleet.cut ? `cut off: ${s.fleet.cut}` : 'together', s.fleet.cut ? 'bad' : 'good'],
            ...s.fleet.members.map(m => [m.self ? 'This member' : 'Member', `${m.name}, heard ${seconds(m.heard_seconds)} ago`])]);
          table('callers', [['Caller'], ['Requests', 1], ['Sent to Bentley', 1], ['Refused', 1], ['Waits', 1], ['Waited', 1]],
            s.callers.map(c => [c.name, c.requests, c.upstream, c.refused, c.waits, seconds(c.waited_seconds)]), 'nobody has called');
          deletes = s.deletes; drawDeletes();
          const refused = s.configuration.refused;
          at('taken').textContent = new Date(s.configuration.taken).toLocaleString() + (refused ?
            `; a later one was refused at ${new Date(refused.time).toLocaleString()}: ${refused.mistakes.join('; ')}` : '');
          at('toml').textContent = s.configuration.toml ?? ''; }
        let last = null;
        function lost(why) {
          const text = why + (last ? `; what stands below is of ${last.toLocaleTimeString()}` : '');
          if (at('state').textContent !== text) at('state').textContent = text;
          at('state').className = 'bad'; document.querySelector('main').classList.toggle('old', last !== null); }
        async function renew() {
          try {
            const answer = await fetch(location.origin + '/status.json', { cache: 'no-store', signal: AbortSignal.timeout(4000) });
            if (answer.status === 401) lost('this needs the admin key; asked again every few seconds');
            else if (!answer.ok) throw new Error(answer.status);
            else { draw(await answer.json()); last = new Date(); document.querySelector('main').classList.remove('old'); }
          } catch { lost('the proxy does not answer; asked again every few seconds'); }
          setTimeout(renew, document.hidden ? 5000 : 3000); }
        at('search').addEventListener('input', drawDeletes);
        renew();
        """#
}
