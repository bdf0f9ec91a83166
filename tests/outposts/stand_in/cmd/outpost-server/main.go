// The part of an Outpost's API that an upgrade is judged by.
package main

import (
	"encoding/json"
	"net/http"
	"os"

	"stand-in/internal/records"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/tenants/", serve)
	if err := http.ListenAndServe("127.0.0.1:"+os.Getenv("API_PORT"), mux); err != nil {
		panic(err)
	}
}

func serve(w http.ResponseWriter, r *http.Request) {
	tenant, list := r.URL.Path[len("/api/v1/tenants/"):], false
	if at := len(tenant) - len("/destinations"); at > 0 && tenant[at:] == "/destinations" {
		tenant, list = tenant[:at], true
	}
	var answer any
	var err error
	switch {
	case r.Method == "PUT":
		err = records.Put(records.Key(tenant, "tenant"), "tenant", tenant)
	case r.Method == "POST" && list:
		var sent struct{ ID string }
		if err = json.NewDecoder(r.Body).Decode(&sent); err == nil {
			err = records.Put(records.Key(tenant, "destination:"+sent.ID), "destination", sent.ID)
			if err == nil {
				_, err = records.Send("HSET", records.Key(tenant, "destinations"), sent.ID, "{}")
			}
		}
	case list:
		var ids []string
		ids, err = records.Send("HKEYS", records.Key(tenant, "destinations"))
		all := []map[string]string{}
		for _, id := range ids {
			all = append(all, map[string]string{"id": id})
		}
		answer = all
	default:
		var id []string
		if id, err = records.Send("HGET", records.Key(tenant, "tenant"), "id"); err == nil && len(id) == 0 {
			http.NotFound(w, r)
			return
		}
		answer = map[string]any{"id": id[0]}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}
