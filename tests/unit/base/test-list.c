#include <glib.h>

#include "daemon/base/list.h"

typedef struct Item {
        int value;
        List link;
} Item;

static const char *values_of(List *head) {
        static char text[64];

        text[0] = '\0';
        LIST_FOREACH (item, head, Item, link) {
                char digit[] = { (char) ('0' + item->value), '\0' };

                g_strlcat(text, digit, sizeof(text));
        }
        return text;
}

static void test_order(void) {
        Item items[4];
        List head;

        list_init(&head);
        g_assert_true(list_is_empty(&head));
        g_assert_null(LIST_FIRST(&head, Item, link));

        for (int i = 0; i < 4; i++) {
                items[i].value = i;
                if (i % 2)
                        list_prepend(&head, &items[i].link);
                else
                        list_append(&head, &items[i].link);
        }
        g_assert_cmpstr(values_of(&head), ==, "3102");
        g_assert_true(LIST_FIRST(&head, Item, link) == &items[3]);

        list_remove(&items[1].link);
        list_remove(&items[1].link); /* again */
        g_assert_cmpstr(values_of(&head), ==, "302");
        list_append(&head, &items[1].link);
        g_assert_cmpstr(values_of(&head), ==, "3021");
}

static void test_walk_may_free(void) {
        List head;
        int sum = 0;

        list_init(&head);
        for (int i = 1; i <= 5; i++) {
                Item *item = g_new(Item, 1);

                item->value = i;
                list_append(&head, &item->link);
        }

        LIST_FOREACH (item, &head, Item, link) {
                sum += item->value;
                list_remove(&item->link);
                g_free(item);
        }
        g_assert_cmpint(sum, ==, 15);
        g_assert_true(list_is_empty(&head));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/list/order", test_order);
        g_test_add_func("/base/list/walk-may-free", test_walk_may_free);
        return g_test_run();
}
