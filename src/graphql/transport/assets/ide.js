// The page around GraphiQL: a token for HTTP and for the socket, and a link that fills both in.
//
// `#token=…&query=…&variables=…` in the address prefills the page. A fragment never leaves the browser; it is taken out
// of the address at once, so that it is in no history or bookmark. The token is kept in sessionStorage alone: it ends
// with the tab.
"use strict";

(() => {
  const KEY = "rekomi.token";
  const input = document.getElementById("token");
  const state = document.getElementById("state");
  const show = document.getElementById("show");

  const fragment = new URLSearchParams(location.hash.slice(1));
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  if (fragment.has("token")) sessionStorage.setItem(KEY, fragment.get("token"));
  input.value = sessionStorage.getItem(KEY) ?? "";

  const authorization = () => {
    const token = input.value.trim().replace(/^bearer\s+/i, "");
    return token ? { authorization: `Bearer ${token}` } : {};
  };

  const path = location.pathname.replace(/\/+$/, "");
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = graphqlWs.createClient({
    url: `${scheme}//${location.host}${path}/ws`,
    connectionParams: authorization,
    // A refused token stays refused; anything else (a restart, a network that went) is worth another try.
    shouldRetry: (event) => event.code !== 4403,
    on: {
      connected: () => { state.textContent = "live"; },
      closed: (event) => { state.textContent = event.code === 4403 ? "socket refused: check the token" : ""; },
    },
  });

  input.addEventListener("change", () => {
    sessionStorage.setItem(KEY, input.value.trim());
    socket.terminate();
    state.textContent = "";
  });
  document.getElementById("bar").addEventListener("submit", (event) => event.preventDefault());
  show.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    show.textContent = shown ? "Hide" : "Show";
    show.setAttribute("aria-pressed", String(shown));
  });

  const fetcher = GraphiQL.createFetcher({
    url: path,
    wsClient: socket,
    fetch: (url, options) => fetch(url, {
      ...options,
      headers: { ...options.headers, ...authorization() },
      credentials: "omit",
    }),
  });

  ReactDOM.createRoot(document.getElementById("graphiql")).render(
    React.createElement(GraphiQL, {
      fetcher,
      query: fragment.get("query") ?? undefined,
      variables: fragment.get("variables") ?? undefined,
      defaultQuery: "# Put a token into the field above, then press Ctrl-Enter.\n\n{\n  __typename\n}\n",
      isHeadersEditorEnabled: false,
      shouldPersistHeaders: false,
    }),
  );
})();
