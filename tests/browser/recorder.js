// The script of the pages in `tests/browser/server.rs`: it records events for the tests.
import { connectPage } from "./ws-server/client.js";

const { dataset } = document.querySelector("script[data-route]");
// With the default delays, twenty cuts would take longer than the grace time of a page.
// The query of the page has more options.
const more = Object.fromEntries(new URLSearchParams(location.search));
const live = connectPage(dataset.route, { ...dataset, minDelay: 20, maxDelay: 100, ...more });
window.recorded = { live, numbers: [], echoed: [], resets: [], states: [], buffered: 0 };
live.on("number", (number) => recorded.numbers.push(number));
live.on("echoed", (text) => recorded.echoed.push(text));
live.addEventListener("reset", ({ detail }) => recorded.resets.push(detail));
live.addEventListener("buffered", () => (recorded.buffered += 1));
live.addEventListener("state", ({ detail }) => recorded.states.push(detail));
